"""Models as tools: a model's answer is an effect, asked for once, recorded in the log with what it cost, and replayed from there.

`toolset` offers any OpenAI-compatible endpoint as the tool `model.answer`; `motet.models.serving` is that toolset with what the environment says.
`assistant` is an agent that a model leads.
`recorded` is an endpoint that answers from a recording, for tests and demonstrations without the internet.
"""

from motet.models.assistant import assistant
from motet.models.toolset import Price, model_toolset

__all__ = ["Price", "assistant", "model_toolset"]
