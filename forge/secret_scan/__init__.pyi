from .token_forms import hiding as hiding
