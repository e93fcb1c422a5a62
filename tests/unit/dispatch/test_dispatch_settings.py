"""What an operator may write into the environment."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from services.dispatch.settings import Settings


def settings(**own: Any) -> Settings:
    return Settings(database_url=SecretStr("postgresql://x"), token_public_key_file=Path("x"), **own)


def test_render_servers_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_COMFYUI_URLS", "http://10.0.0.1:8188/, https://gpu.example:443 ,")
    assert settings().comfyui_urls == ("http://10.0.0.1:8188", "https://gpu.example:443")


@pytest.mark.parametrize("wrong", ["10.0.0.1:8188", "http://a:1,http://a:1/"])
def test_a_wrong_or_doubled_address_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError):
        settings(comfyui_urls=wrong)
