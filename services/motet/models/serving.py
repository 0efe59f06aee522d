"""The toolset `model` with what the environment says: `motet up --tools motet.models.serving`.

OPENAI_BASE_URL and OPENAI_API_KEY name the endpoint. Prices, limits and a second endpoint need a module of your own: `tools = model_toolset(…)`.
"""

from motet.models.toolset import model_toolset

tools = model_toolset()
