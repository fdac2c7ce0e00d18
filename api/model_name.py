"""Names of models, as requests and settings give them."""

from typing import Annotated

from pydantic import StringConstraints

ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,99}$")]
