"""The contracts as files: a JSON Schema for each event and command, and one AsyncAPI document of them all.

They are generated from the pydantic models, committed, and checked: the files are up to date, and nothing that was
released has been broken. `lapak contracts` writes, `lapak contracts --check` checks.
"""

from shared.contracts.compatibility import breaks
from shared.contracts.files import ASYNCAPI, RELEASED, SCHEMAS, check, generate, release, write
from shared.contracts.messages import messages, schema

__all__ = ["ASYNCAPI", "RELEASED", "SCHEMAS", "breaks", "check", "generate", "messages", "release", "schema", "write"]
