from .app_creation import AppCreation as AppCreation
from .inbox import TriggerInbox as TriggerInbox
from .local_triggers import LocalTriggers as LocalTriggers
from .pull_watch import PullWatch as PullWatch
from .rules import TriggerRules as TriggerRules
from .thread_acts import ThreadActs as ThreadActs
from .worker import TriggerWorker as TriggerWorker
