"""Which Hub, with which token, and where its files are kept here: what huggingface_hub's own settings say."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import constants, get_token

from curation.errors import SourceError

_TOKEN = re.compile("[!-~]+")


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Which Hub, with which token, and where its files are kept. The token is in no representation of this."""

    endpoint: str
    cache: Path
    assets: Path
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    symlinks: bool = True


def hub_settings() -> HubSettings:
    """The settings of this machine and process, as huggingface_hub has them (HF_ENDPOINT, HF_TOKEN, HF_HOME, ...).

    Raises SourceError for an endpoint or a token that can't be one.
    """
    parts = urlsplit(constants.ENDPOINT)
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        raise SourceError(
            "HF_ENDPOINT: expected the address of a Hub such as https://huggingface.co, without a user name or query"
        )
    token = None
    if not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        try:
            token = get_token()
        except Exception as error:  # noqa: BLE001 (it may read files and ask servers; its words may hold the token)
            raise SourceError(
                f"the Hub's token can't be had ({type(error).__name__}); set HF_TOKEN, or log in again"
            ) from None
    if token is not None and not _TOKEN.fullmatch(token):
        raise SourceError("HF_TOKEN: it holds characters that no token has; copy it again")
    return HubSettings(
        endpoint=constants.ENDPOINT,
        cache=Path(constants.HF_HUB_CACHE),
        assets=Path(constants.HF_ASSETS_CACHE),
        token=token,
        offline=constants.HF_HUB_OFFLINE,
        symlinks=not constants.HF_HUB_DISABLE_SYMLINKS,
    )
