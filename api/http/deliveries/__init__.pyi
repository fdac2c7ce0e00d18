from .delivery_routes import router as router
from .inbox import DeliveryInbox as DeliveryInbox
from .inbox import Inbox as Inbox
from .signature import is_signed as is_signed
