"""Limits of the process that reads a file, so that no file takes more of the machine than its dataset allows."""

import pydantic


class Limits(pydantic.BaseModel):
    """Limits of the process that reads a Parquet, Arrow, Avro or Excel file."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    memory_bytes: int = pydantic.Field(
        default=2 << 30, ge=64 << 20, description="Memory that it writes; a file that it maps does not count."
    )
    cpu_s: int = pydantic.Field(
        default=600, gt=0, description="Processor time; it gets one more second for each MB of the file."
    )
    silence_s: float = pydantic.Field(default=300, gt=0, description="Longest time without an answer.")


DEFAULT_LIMITS = Limits()
