from .public_keys import PublicKeys as PublicKeys
from .signed_commit import sign_commit as sign_commit
from .signing_key import COMMIT as COMMIT
from .signing_key import SigningKey as SigningKey
