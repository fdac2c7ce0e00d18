"""What the settings make of each room, the same on one machine and on Modal.

What is slow to import is imported when it is made.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from api.http import tracing
from forge.core import is_loopback, parse
from forge.github import web_address
from graph import Limits as RunLimits
from graph import RequestRules, redactor
from runs.model import DayLimits, ServiceConfig
from sandbox import BackendOptions
from sandbox import Limits as CommandLimits
from sandbox.backends.docker import docker_environment
from wiring.known_repositories import KnownRepositories
from wiring.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from api.http import Probes
    from api.http.deliveries import DeliveryInbox, Inbox
    from api.webhooks import Endpoint, WebhookNotifier
    from forge.core import Forge
    from forge.signing import SigningKey
    from roles.claude import Claude, Provider
    from runs import RunService
    from runs.model import RunRecord

LEFT_OVER_S: Final = 900
"""After this time without a use what nobody ended is ended."""
_DAY_S: Final = 24 * 3600


@dataclass(frozen=True)
class Configuration:
    """One set of settings, and the release that they are for."""

    settings: Settings
    version: str

    @property
    def limits(self) -> RunLimits:
        settings = self.settings
        return RunLimits(
            max_cost_usd=settings.max_cost_usd,
            max_tokens=settings.max_tokens,
            max_fix_rounds=settings.max_fix_rounds,
            timeout_s=settings.run_timeout_s,
        )

    @property
    def rules(self) -> RequestRules:
        settings = self.settings
        return RequestRules(
            allow=settings.allow,
            models=settings.models,
            branch_prefix=settings.branch_prefix,
            any_branch=settings.any_branch,
            role_models=settings.role_models,
            has_price=_has_price,
        )

    @property
    def command_limits(self) -> CommandLimits:
        settings = self.settings
        return CommandLimits(
            timeout_s=settings.command_timeout_s,
            memory_mb=settings.command_memory_mb,
            cpus=settings.command_cpus,
            pids=settings.command_pids,
            disk_mb=settings.command_disk_mb,
        )

    @property
    def hide(self) -> Callable[[str], str]:
        """Takes every secret of the settings out of a text."""
        return redactor(self.settings.secrets)

    def service(self, runs: Path) -> ServiceConfig:
        """Of the life of runs, over the folder of all runs."""
        settings = self.settings
        return ServiceConfig(
            runs=runs,
            limits=self.limits,
            max_concurrent=settings.max_concurrent_runs,
            max_queued=settings.max_queued_runs,
            max_readers=settings.max_readers,
            models=settings.role_models,
            rules=self.rules,
            version=self.version,
            keep_days=settings.keep_days,
            hide=self.hide,
        )

    def claude(self) -> "Claude":
        from roles.claude import Claude

        return Claude(self.provider())

    def provider(self) -> "Provider":
        """Whose endpoint of the Messages API is asked, with the credentials for it."""
        from roles.claude import AnthropicProvider, AwsProvider, BedrockProvider, VertexProvider

        settings, base_url = self.settings, self.settings.anthropic_base_url
        account: dict[str, Any] = {
            "region": settings.aws_region or settings.aws_default_region,
            "access_key": settings.aws_access_key_id,
            "secret_key": settings.aws_secret_access_key,
            "session_token": settings.aws_session_token,
            "profile": settings.aws_profile,
            "base_url": base_url,
        }
        match settings.provider:
            case "aws":
                return AwsProvider(
                    **account,
                    api_key=settings.anthropic_aws_api_key,
                    workspace_id=settings.anthropic_aws_workspace_id,
                )
            case "bedrock":
                return BedrockProvider(
                    **account,
                    api_key=settings.aws_bearer_token_bedrock,
                    probed_model=settings.model,
                )
            case "vertex":
                return VertexProvider(
                    project=settings.anthropic_google_cloud_project,
                    location=settings.anthropic_google_cloud_location,
                    workspace_id=settings.anthropic_google_cloud_workspace_id,
                    base_url=base_url,
                )
            case "anthropic":
                return AnthropicProvider(api_key=settings.anthropic_api_key, base_url=base_url)

    def forge(self) -> "Forge":
        from forge.github import AppKey, GitHub

        settings, app = self.settings, None
        if settings.github_app_id and settings.github_app_key:
            app = AppKey(settings.github_app_id, settings.github_app_key)
        return GitHub(api_url=settings.github_api_url, token=settings.github_token, app=app)

    @property
    def signing_key(self) -> "SigningKey | None":
        """What commits are signed with, where the settings name it."""
        from forge.signing import SigningKey

        file, text = self.settings.signing_key_file, self.settings.signing_key
        return SigningKey(file, text) if file or text else None

    def deliveries(self, inbox: "Inbox") -> "DeliveryInbox | None":
        """Where deliveries go; None where no secret is set that signs them."""
        from api.http.deliveries import DeliveryInbox

        secrets = [each.get_secret_value() for each in self.settings.github_webhook_secrets]
        return DeliveryInbox(inbox, secrets) if secrets else None

    @property
    def day(self) -> DayLimits:
        """What a day may cost."""
        settings = self.settings
        return DayLimits(settings.max_cost_usd_per_day, settings.key_max_cost_usd_per_day)

    def backend_options(self, app_name: str, *, keeps_live: bool = False) -> BackendOptions:
        """For any backend of the sandbox; what is on Modal is in this app there.

        `keeps_live`: a run that can be resumed leaves its live tree, which then outlasts two runs.
        """
        settings = self.settings
        runs_s = (2 if keeps_live else 1) * (settings.run_timeout_s + LEFT_OVER_S)
        return BackendOptions(
            limits=self.command_limits,
            state=settings.data_dir / "sandbox",
            tool_paths=settings.tool_paths,
            image=settings.sandbox_image,
            images=settings.images,
            docker_environment=docker_environment(settings.docker_host),
            setup_hosts=settings.setup_hosts,
            setup_secrets=settings.secrets_of_setup,
            app_name=app_name,
            lifetime_s=min(_DAY_S, runs_s),
            idle_s=LEFT_OVER_S,
            keeps_live=keeps_live,
        )

    def web(
        self,
        open_service: "Callable[[], AbstractAsyncContextManager[RunService]]",
        probes: "Probes",
        *,
        hosts: tuple[str, ...],
        locked: str = "",
        **options: Any,
    ) -> "FastAPI":
        """The HTTP service; `hosts` are the names it is reached by where none are set."""
        from api.http import AppOptions, create_app
        from api.http.guards import Auth

        settings = self.settings
        keys = [(key.name, key.key.get_secret_value()) for key in settings.api_keys]
        return create_app(
            open_service=open_service,
            probes=probes,
            auth=Auth(keys, settings.operators, locked=locked),
            options=AppOptions(
                version=self.version,
                check_repo_url=self.full_name,
                repo_allowed=lambda name, full_name: settings.repo_allowed(full_name, name),
                repo_globs=settings.repo_globs,
                hosts=settings.hosts or hosts,
                key_rate=settings.key_rate,
                day=self.day,
                team=settings.visibility == "team",
                max_key_readers=max(1, settings.max_readers // 2),
                known_repositories=KnownRepositories(probes.repositories),
                **options,
            ),
        )

    def notifier(
        self, find: "Callable[[str], Awaitable[RunRecord | None]]"
    ) -> "WebhookNotifier | None":
        """Tells where the settings say what became of runs; None where they name no place."""
        settings = self.settings
        if not settings.webhook_url and not settings.slack_webhook_url:
            return None
        from api.webhooks import SlackEndpoint, StandardEndpoint, WebhookNotifier

        endpoints: list[Endpoint] = []
        if settings.webhook_url and settings.webhook_secret:
            endpoints.append(StandardEndpoint(settings.webhook_url, settings.webhook_secret))
        if settings.slack_webhook_url:
            endpoints.append(SlackEndpoint(settings.slack_webhook_url, self._page))
        return WebhookNotifier(endpoints, find)

    @property
    def _page(self) -> str:
        """The address of the page, where one is set that others reach."""
        named = [host for host in self.settings.hosts if not is_loopback(host.partition(":")[0])]
        return f"https://{named[0]}" if named else ""

    def full_name(self, repo_url: str) -> str:
        """OWNER/REPO of an address below the configured host. Raises InvalidRepoUrl."""
        address = web_address(self.settings.github_api_url)
        return parse(repo_url, address, allow_local=False).full_name

    def telemetry(self) -> AbstractContextManager[None]:
        """Spans go where the settings say, while the block runs."""
        settings = self.settings
        headers = settings.otel_exporter_otlp_headers
        return tracing(
            endpoint=settings.otel_exporter_otlp_endpoint,
            headers=headers.get_secret_value() if headers else "",
            version=self.version,
            hide=self.hide,
        )


def _has_price(model: str) -> bool:
    from roles.claude import has_price

    return has_price(model)
