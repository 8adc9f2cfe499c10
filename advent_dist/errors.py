"""Mistakes that a user can mend. The command line prints their message without a traceback."""


class UserError(ValueError):
    """A mistake in a config, a file or the data: the message names place, value and fix."""


class ConfigError(UserError):
    """A config field has a wrong name, type or value."""


class DataError(UserError):
    """A shard, a manifest, an image or a label is missing, damaged or does not fit."""


class DamageError(DataError):
    """Bytes of a shard are not those that were built: a run may go on without their samples."""


class OversizeError(DataError):
    """An image has more pixels than are decoded."""


class UnavailableError(DataError):
    """Storage does not answer, or not as it should: it may some time later."""


class MissingError(DataError):
    """There is no such file."""


class LostError(UserError):
    """Processes or machines of a run are gone."""


class CheckpointError(UserError):
    """A checkpoint is missing, incomplete, or belongs to another model or optimiser."""


class DivergedError(UserError):
    """A loss is not finite."""


class ExportError(UserError):
    """A network can't be exported, or what was exported computes something else."""
