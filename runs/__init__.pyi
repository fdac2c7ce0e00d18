from .feed import FeedItem as FeedItem
from .feed import RemovedRow as RemovedRow
from .figures import Figures as Figures
from .service import RunService as RunService
