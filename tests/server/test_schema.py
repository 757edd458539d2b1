"""Whatever the OpenAPI document allows, and much that it does not: no request makes the server fail."""

import hypothesis
import pytest
import schemathesis
from served import People

from askance.server.app import create_app

#: What starts a process of its own is tried elsewhere.
LEFT_OUT = ("/api/jobs", "/t/{token}/train/", "/t/{token}/train/{model}", "/t/{token}/infer/{model}")


@pytest.mark.slow
def test_no_request_that_the_document_describes_ends_in_a_500(people: People) -> None:
    app = create_app(people.store)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    tried, failed = 0, []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.method == "post" and operation.path in LEFT_OUT:
            continue

        @hypothesis.given(case=operation.as_strategy())
        @hypothesis.settings(
            max_examples=15,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        def send(case: schemathesis.Case) -> None:
            nonlocal tried
            if "token" in (case.path_parameters or {}):
                case.path_parameters["token"] = people.ada.token
            answer = case.call(headers={"Authorization": f"Bearer {people.ada.token}"})
            tried += 1
            if answer.status_code >= 500 or str(people.store.folder) in answer.text or "Traceback" in answer.text:
                failed.append((answer.status_code, case.method, case.formatted_path, answer.text[:200]))

        send()
    assert failed == []
    assert tried > 300
