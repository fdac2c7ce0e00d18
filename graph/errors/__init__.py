"""Every error that can end a run or refuse a request. Foreign errors are mapped where they arise.

CodingAgentError
├── RequestError            the caller asked for something that cannot be
│   ├── InvalidRequest        a field is wrong
│   ├── InvalidRepoUrl        not an address of a repository here
│   ├── EnvironmentNotFound   nothing is known of what set-up does there
│   ├── RepositoryNotAllowed  outside CODING_AGENT_REPOS (answered as a missing repository)
│   ├── ModelNotAllowed       outside CODING_AGENT_MODELS
│   ├── BranchNotAllowed      outside CODING_AGENT_BRANCH_PREFIX
│   ├── LimitRaised           a request tried to raise an operator's limit
│   ├── DailyBudgetExhausted  the day's money is spent or held by runs under way
│   ├── IdempotencyMismatch   the same Idempotency-Key with another body
│   └── RunRemoved            the same Idempotency-Key after its run was removed
├── RunError                what was asked of a run does not fit its state
│   ├── RunNotFound  RunNotYours  RunActive  RunFinished  RunNotWaiting  RunAbandoned
│   └── PlanChanged  TooManyRuns  TooManyReaders
├── RepositoryError         git or the forge refused, or the repository is not usable
│   ├── RepositoryNotFound  BranchNotFound  CommitNotFound  EmptyRepository  RepositoryArchived
│   ├── BranchExists  RepositoryTooLarge  PatchTooLarge  PatchUnusable
│   ├── PullRequestNotFound  PullRequestClosed  PullRequestMoved  PullRequestOpen
│   ├── PushRejected  GitFailed  SecretSearchFailed  SigningFailed
│   └── PushBlocked           refused for what the change holds: ends the run `blocked`
├── ForgeError              the API of the forge
│   ├── ForgeUnauthorized  ForgeForbidden  ForgeRateLimited  ForgeUnavailable  ForgeRejected
│   └── AppNotInstalled  AppSuspended  of a GitHub App, kinds of ForgeForbidden
├── ClaudeError             the Messages API
│   ├── ClaudeUnauthorized  ClaudeBilling  ClaudeRateLimited  ClaudeUnavailable  ClaudeRejected
│   └── ClaudeRefused  ContextExceeded
├── RoleError               a role did not come to an answer
│   ├── RoleTurnLimit  RoleNoAnswer  RoleInCircles  RoleSuperseded  RoleLost
│   └── SecretInChange  PriceUnknown
├── SandboxError            untrusted code could not be run safely
│   ├── SandboxUnavailable  SandboxLost  SetupFailed
└── StoreError              the record of runs
    ├── StoreLocked  StoreFull  StoreDamaged  StoreUnavailable  StoreStale
    └── DataFolderUnusable  VersionChanged
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
