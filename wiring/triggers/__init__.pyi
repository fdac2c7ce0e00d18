from .inbox import TriggerInbox as TriggerInbox
from .issue_acts import IssueActs as IssueActs
from .local_triggers import LocalTriggers as LocalTriggers
from .rules import TriggerRules as TriggerRules
from .worker import TriggerWorker as TriggerWorker
