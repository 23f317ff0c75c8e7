"""In which language does the page speak? English is in the code, Chinese beside it in chinese.py."""

from webui.chinese import CHINESE

LANGUAGES = ("en", "zh")


class Say:
    """A sentence of the page in one language."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"

    def __call__(self, english: str, /, **values: object) -> str:
        text = CHINESE.get(english, english) if self.language == "zh" else english
        return text.format(**values) if values else text
