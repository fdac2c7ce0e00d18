from .remote_runs import RemoteRuns as RemoteRuns
