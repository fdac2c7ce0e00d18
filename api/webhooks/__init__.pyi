from .notifier import Endpoint as Endpoint
from .notifier import WebhookNotifier as WebhookNotifier
from .slack_endpoint import SlackEndpoint as SlackEndpoint
from .standard_endpoint import StandardEndpoint as StandardEndpoint
