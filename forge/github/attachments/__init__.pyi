from .fetch_attachment import fetch_attachment as fetch_attachment
from .signed_addresses import find_signed as find_signed
from .signed_addresses import is_attachment as is_attachment
