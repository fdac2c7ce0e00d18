from .client import Claude as Claude
from .prices import cost_usd as cost_usd
from .prices import has_price as has_price
from .provider import AnthropicProvider as AnthropicProvider
from .provider import AwsProvider as AwsProvider
from .provider import BedrockProvider as BedrockProvider
from .provider import Provider as Provider
from .provider import VertexProvider as VertexProvider
