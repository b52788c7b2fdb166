"""All cases."""

from tests.integration.media.cases.case import Case
from tests.integration.media.cases.tables import containers, pictures, rates, requests, sounds, sources

ALL: list[Case] = [
    *containers.CASES,
    *pictures.CASES,
    *rates.CASES,
    *sounds.CASES,
    *requests.CASES,
    *sources.CASES,
]
