"""A worker answers a turn: what it sends, what it saves, and how it survives failures."""

import time
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pynamodb.exceptions import QueryError, UpdateError

from ai_buddy import wiring
from ai_buddy.conversations.model import LEASE, MAX_ANSWER, WINDOW
from ai_buddy.conversations.repository import ConversationRow, CounterRow, DynamoConversations
from ai_buddy.conversations.turn_worker import Intervals, TurnReport
from ai_buddy.model import (
    AnsweredBy,
    DisplayedItems,
    ModelUnavailable,
    Proposal,
    Proposed,
    Task,
    TextDelta,
    TokensUsed,
    ToolStatus,
    ToolUsed,
    TurnState,
)
from ai_buddy.schemas import MAX_TEXT
from ai_buddy.sockets import confirm_proposal, show_history, stop_turn, take_message
from supermarket.clock import utc_now
from support.sockets import FAST, Client, ScriptedAgent, Sockets, another_session_of, sign_out


@pytest.fixture
def client(sockets: Sockets) -> Client:
    return sockets.connect()


@pytest.fixture
def task(sockets: Sockets, client: Client) -> Task:
    """The task of a turn that waits for its answer."""
    client.send(take_message, text="Have you rice?")
    return sockets.workers.tasks[-1]


def answer(sockets: Sockets, task: Task, *steps: Any, **options: Any) -> TurnReport | None:
    intervals = options.pop("intervals", FAST)
    return sockets.turn_worker(ScriptedAgent(*steps), intervals).answer(
        task, options.get("seconds", 5)
    )


def saved(task: Task) -> Any:
    turn = DynamoConversations(utc_now).find_turn(task.key)
    assert turn
    return turn


def later(sockets: Sockets, by: timedelta) -> Any:
    """Return a worker that starts some time later."""
    worker = sockets.turn_worker(ScriptedAgent(TextDelta("Later.")))
    worker._clock = lambda: utc_now() + by
    worker._conversations = DynamoConversations(worker._clock)
    return worker


def test_text_is_sent_at_most_once_per_frame_interval(
    sockets: Sockets, client: Client, task: Task
) -> None:
    pieces: list[Any] = [step for n in range(60) for step in (TextDelta(f"{n} "), 0.005)]
    began = time.monotonic()

    answer(sockets, task, *pieces, intervals=Intervals(frame=0.1, save=10, silence=5))

    frames = sockets.sender.types(client.id).count("token")
    assert frames <= (time.monotonic() - began) / 0.1 + 2  # the first and the last are sent at once
    assert sockets.sender.text(client.id) == "".join(f"{n} " for n in range(60))


def test_the_first_text_is_sent_at_once(sockets: Sockets, client: Client, task: Task) -> None:
    times: list[float] = []

    def wait_for_text() -> None:
        times.append(time.monotonic())
        while not sockets.sender.text(client.id):
            assert time.monotonic() < times[0] + 2
            time.sleep(0.001)
        times.append(time.monotonic())

    report = answer(
        sockets,
        task,
        TextDelta("At once"),
        wait_for_text,
        intervals=Intervals(frame=0.5, save=10, silence=5),
    )

    assert times[1] - times[0] < 0.1
    assert report
    assert report.first_token_seconds is not None


def test_tool_frames_come_at_their_place_in_the_answer(
    sockets: Sockets, client: Client, task: Task
) -> None:
    used = [ToolUsed("search_products", status) for status in ToolStatus]

    answer(sockets, task, TextDelta("Let me see. "), *used, TextDelta("Two."))

    sent = [f.get("text", f.get("status")) for f in client.frames if f["type"] in {"token", "tool"}]
    assert sent == ["Let me see. ", "started", "done", "failed", "Two."]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ModelUnavailable("The assistant cannot be reached"), "MODEL_UNAVAILABLE"),
        (ValueError("a private word"), "INTERNAL"),
    ],
)
def test_a_failure_is_sent_and_the_conversation_goes_on(
    sockets: Sockets, client: Client, task: Task, failure: Exception, code: str
) -> None:
    report = answer(sockets, task, TextDelta("Well"), failure)

    assert client.frames[-1]["type"] == "error"
    assert client.frames[-1]["code"] == code
    assert client.frames[-1]["messageId"] == task.key.id
    assert "private" not in client.frames[-1]["message"]
    assert report
    assert report.state is TurnState.FAILED
    assert (saved(task).state, saved(task).answer) == (TurnState.FAILED, "Well")
    [started] = client.send(take_message, text="?", conversationId=task.key.conversation.id)
    assert started["type"] == "started"


def test_a_silent_model_fails_the_turn(sockets: Sockets, client: Client, task: Task) -> None:
    began = time.monotonic()

    answer(sockets, task, 3.0, intervals=Intervals(frame=0.01, save=0.05, silence=0.2, end=0.1))

    assert time.monotonic() - began < 2
    assert client.frames[-1]["code"] == "TOO_SLOW"


def test_an_answer_that_takes_too_long_ends_before_its_lambda_times_out(
    sockets: Sockets, client: Client, task: Task
) -> None:
    drip: list[Any] = [step for _ in range(200) for step in (TextDelta("."), 0.02)]

    answer(sockets, task, *drip, seconds=0.3)

    assert client.frames[-1]["code"] == "TOO_SLOW"
    assert saved(task).answer.startswith("..")


def test_the_agents_iterator_is_closed_when_the_turn_ends(sockets: Sockets, task: Task) -> None:
    agent = ScriptedAgent(*[step for _ in range(500) for step in (TextDelta("."), 0.01)])

    sockets.turn_worker(agent).answer(task, 0.1)

    assert agent.closed.wait(1)


def test_a_tool_that_began_before_the_stop_ends_in_its_own_invocation(
    sockets: Sockets, client: Client, task: Task
) -> None:
    """Lambda freezes the process when `answer` returns, and thaws it for another turn."""
    written = []

    def write_slowly() -> None:
        client.send(stop_turn, conversationId=task.key.conversation.id)
        began = time.monotonic()
        while client.frames[-1]["type"] != "done":
            assert time.monotonic() < began + 2
            time.sleep(0.005)
        time.sleep(0.1)
        written.append("a cart")

    report = answer(sockets, task, write_slowly)

    assert report
    assert report.state is TurnState.STOPPED
    assert written == ["a cart"]


def test_a_tool_that_never_ends_holds_up_no_worker(sockets: Sockets, task: Task) -> None:
    intervals = Intervals(frame=0.01, save=0.05, silence=0.1, end=0.1)
    released = Event()
    began = time.monotonic()

    answer(sockets, task, released.wait, intervals=intervals)

    assert time.monotonic() - began < 1
    released.set()


def test_a_task_that_is_delivered_again_is_ignored(
    sockets: Sockets, client: Client, task: Task
) -> None:
    second: list[TurnReport | None] = []

    def deliver_again() -> None:
        second.append(answer(sockets, task, TextDelta("Twice!")))

    answer(sockets, task, TextDelta("Once."), deliver_again)
    third = answer(sockets, task, TextDelta("Thrice!"))

    assert [*second, third] == [None, None]
    assert sockets.sender.text(client.id) == "Once."


def test_the_next_attempt_fails_the_turn_of_a_dead_worker(
    sockets: Sockets, client: Client, task: Task
) -> None:
    conversations = DynamoConversations(utc_now)
    conversations.claim(task.key)
    conversations.renew_lease(task.key, "As far as it c")

    report = later(sockets, LEASE * 2).answer(task, 5)

    assert report.state is TurnState.FAILED
    assert client.frames[-1]["code"] == "INTERNAL"
    assert saved(task).answer == "As far as it c"


def test_a_conversation_whose_worker_died_is_free_when_the_lease_has_run_out(
    sockets: Sockets, client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    DynamoConversations(utc_now).claim(task.key)
    after = DynamoConversations(lambda: utc_now() + LEASE * 2)
    monkeypatch.setattr("ai_buddy.conversations.repository.DynamoConversations", lambda _: after)
    wiring.conversations.cache_clear()
    monkeypatch.setattr(wiring, "utc_now", lambda: utc_now() + LEASE * 2)
    conversation = {"conversationId": task.key.conversation.id}

    [history] = client.send(show_history, **conversation)
    assert history["messages"][-1]["status"] == "failed"
    [started] = client.send(take_message, text="Again", **conversation)
    assert started["type"] == "started"
    assert saved(task).state is TurnState.FAILED
    # the late worker of the first turn leaves the second turn, which is running, alone
    assert later(sockets, LEASE * 2).answer(task, 5) is None
    found = after.find(task.key.conversation)
    assert found
    assert found.running == started["messageId"]
    wiring.conversations.cache_clear()


def test_a_closed_connection_is_removed_and_the_answer_saved(
    sockets: Sockets, client: Client, task: Task
) -> None:
    sockets.sender.gone.add(client.id)

    answer(sockets, task, TextDelta("Hello?"))

    assert saved(task).answer == "Hello?"
    assert sockets.open_connections(client.caller.user_id) == []


def test_text_that_did_not_arrive_comes_with_the_next_frame(
    sockets: Sockets, client: Client, task: Task
) -> None:
    sockets.sender.throttled.add(client.id)

    answer(
        sockets,
        task,
        TextDelta("One "),
        0.05,
        sockets.sender.throttled.clear,
        TextDelta("two"),
    )

    assert sockets.sender.text(client.id) == "One two"


def test_tokens_are_counted_by_turn_and_by_person(
    sockets: Sockets, client: Client, task: Task
) -> None:
    report = answer(sockets, task, TokensUsed(100, 20), TextDelta("Yes."), TokensUsed(200, 30))

    assert report
    assert report.tokens == TokensUsed(300, 50)
    [day] = [row for row in CounterRow.query(client.caller.user_id) if row.tokens]
    assert day.tokens == 350


def test_an_answer_names_its_model_and_the_order_it_displays(
    sockets: Sockets, client: Client, task: Task
) -> None:
    answer(
        sockets,
        task,
        AnsweredBy("simulator"),
        TextDelta("It is"),
        DisplayedItems(order={"id": "01"}),
    )

    message = client.frames[-2]
    assert (message["model"], message["order"]) == ("simulator", {"id": "01"})


def test_an_answer_has_a_greatest_length(sockets: Sockets, client: Client, task: Task) -> None:
    answer(sockets, task, *[TextDelta("x" * 1_000)] * 20)

    assert len(client.frames[-2]["text"]) == MAX_ANSWER


def test_the_longest_answer_fits_into_a_frame_in_any_script(
    sockets: Sockets, client: Client
) -> None:
    client.send(take_message, text="\U0001f35a" * MAX_TEXT)
    sockets.run_workers(ScriptedAgent(TextDelta("\U0001f35b" * MAX_ANSWER)))
    client.send(show_history)

    assert client.frames[-1]["type"] == "history"
    assert MAX_ANSWER < sockets.sender.largest < 128 * 1024  # of API Gateway


def test_turns_older_than_the_window_are_summarised(sockets: Sockets, client: Client) -> None:
    agent = ScriptedAgent(TextDelta("Yes."))
    more: dict[str, str] = {}
    for number in range(WINDOW + 2):
        [started] = client.send(take_message, text=f"Question {number}", **more)
        more = {"conversationId": started["conversationId"]}
        sockets.run_workers(agent)

    [(before, older)] = agent.summarised
    assert before == ""
    assert [u.text for u in older][::2] == [f"Question {n}" for n in range(WINDOW // 2)]
    last = agent.questions[-1]
    assert last.summary == "a summary of 12 utterances"
    assert last.history[0].text == f"Question {WINDOW // 2}"
    [day] = [row for row in CounterRow.query(client.caller.user_id) if row.tokens]
    assert day.tokens == 34  # of the summary: the answers themselves were free


def test_every_turn_is_in_the_summary_or_in_the_history(sockets: Sockets, client: Client) -> None:
    agent = ScriptedAgent(TextDelta("Shall I?"), Proposed(Proposal("cancel_order", {}, "Cancel.")))
    more: dict[str, str] = {}
    for number in range(WINDOW):
        [started] = client.send(take_message, text=f"Question {number}", **more)
        more = {"conversationId": started["conversationId"]}
        sockets.run_workers(agent)
        client.send(confirm_proposal, messageId=started["messageId"], accept=False)

    assert everything_the_agent_gets(agent, sockets, client, more) >= {
        f"Question {number}" for number in range(WINDOW)
    }


def test_turns_stay_in_the_history_until_a_summary_succeeds(
    sockets: Sockets, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = ScriptedAgent(TextDelta("Yes."))
    more: dict[str, str] = {}
    with monkeypatch.context() as busy:
        busy.setattr(agent, "summarise", lambda *_: 1 / 0)
        for number in range(WINDOW + 4):
            [started] = client.send(take_message, text=f"Question {number}", **more)
            more = {"conversationId": started["conversationId"]}
            sockets.run_workers(agent)

    questions = {f"Question {number}" for number in range(WINDOW + 4)}
    assert {each.text for each in agent.questions[-1].history} >= questions - {
        f"Question {WINDOW + 3}"
    }
    assert everything_the_agent_gets(agent, sockets, client, more) >= questions
    assert everything_the_agent_gets(agent, sockets, client, more) >= questions


def everything_the_agent_gets(
    agent: ScriptedAgent, sockets: Sockets, client: Client, conversation: dict[str, str]
) -> set[str]:
    """Ask once more; returns the texts in the agent's history and in its summaries before."""
    client.send(take_message, text="And now?", **conversation)
    summarised = {each.text for _, older in agent.summarised for each in older}
    sockets.run_workers(agent)
    return summarised | {each.text for each in agent.questions[-1].history}


# --- failures of the database ---


def test_an_answer_survives_a_draft_that_is_not_saved(
    sockets: Sockets, client: Client, task: Task
) -> None:
    worker = sockets.turn_worker(ScriptedAgent(TextDelta("So "), 0.2, TextDelta("what.")))
    fail_first_call(worker._conversations, "renew_lease")

    worker.answer(task, 5)

    assert client.frames[-2]["text"] == "So what."
    assert client.frames[-1]["type"] == "done"


@pytest.mark.parametrize("times", [1, 99])
def test_an_answer_is_sent_though_connections_cannot_be_refreshed(
    sockets: Sockets, client: Client, task: Task, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = sockets.turn_worker(ScriptedAgent(TextDelta("So "), 0.1, TextDelta("what.")))
    list_open, calls = worker._connections.list_open, []

    def fail_after_the_first(*who: Any) -> Any:
        calls.append(who)
        if 1 < len(calls) <= 1 + times:
            raise QueryError("throttled")
        return list_open(*who)

    monkeypatch.setattr(worker._connections, "list_open", fail_after_the_first)

    worker.answer(task, 5)

    assert len(calls) > 2
    assert client.frames[-1]["type"] == "done"


def test_an_answer_is_sent_though_its_tokens_are_not_counted(
    sockets: Sockets, client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = sockets.turn_worker(ScriptedAgent(TextDelta("Yes."), TokensUsed(10, 1)))
    with monkeypatch.context() as patch:
        patch.setattr(worker._usage, "spend_tokens", lambda *_: 1 / 0)
        worker.answer(task, 5)

    assert client.frames[-1]["type"] == "done"


@pytest.mark.parametrize("end", [(), (ModelUnavailable("gone"),)])
def test_the_second_attempt_sends_an_answer_that_was_saved_and_not_sent(
    sockets: Sockets,
    client: Client,
    task: Task,
    end: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = sockets.turn_worker(ScriptedAgent(TextDelta("So what."), *end))
    with monkeypatch.context() as dies:
        dies.setattr(worker._conversations, "release_lease", fail)
        with pytest.raises(UpdateError):
            worker.answer(task, 5)
    assert client.frames[-1]["type"] == "token"

    assert later(sockets, LEASE * 2).answer(task, 5) is None

    assert client.frames[-1]["messageId"] == task.key.id
    assert client.frames[-1]["type"] == ("error" if end else "done")
    found = DynamoConversations(utc_now).find(task.key.conversation)
    assert found
    assert found.running is None


def test_an_update_is_retried_while_a_transaction_holds_the_conversation(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, tried = ConversationRow.update, []

    def conflict_once(self: ConversationRow, *args: Any, **options: Any) -> Any:
        tried.append(args)
        if len(tried) == 1:
            response: Any = {"Error": {"Code": "TransactionConflictException"}}
            raise UpdateError("conflict", ClientError(response, "UpdateItem"))
        return update(self, *args, **options)

    monkeypatch.setattr(ConversationRow, "update", conflict_once)

    assert DynamoConversations(utc_now).renew_lease(task.key, "draft")
    assert len(tried) == 2


def fail(*_: Any) -> Any:
    raise UpdateError("throttled")


def fail_first_call(target: Any, name: str) -> None:
    method, calls = getattr(target, name), []

    def fail_first(*args: Any) -> Any:
        calls.append(args)
        return fail() if len(calls) == 1 else method(*args)

    setattr(target, name, fail_first)


@pytest.mark.parametrize("end", [(), (ModelUnavailable("busy"),)])
def test_an_answer_is_not_sent_again(
    sockets: Sockets, client: Client, task: Task, end: tuple[Any, ...]
) -> None:
    answer(sockets, task, TextDelta("So what."), *end)
    sent = list(client.frames)

    later(sockets, LEASE * 2).answer(task, 5)

    assert client.frames == sent


def test_the_second_attempt_sends_a_failure_under_its_own_code(
    sockets: Sockets, client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = sockets.turn_worker(ScriptedAgent(ModelUnavailable("busy")))
    with monkeypatch.context() as dies:
        dies.setattr(worker._conversations, "release_lease", fail)
        with pytest.raises(UpdateError):
            worker.answer(task, 5)

    later(sockets, LEASE * 2).answer(task, 5)

    assert (client.frames[-1]["code"], client.frames[-1]["message"]) == (
        "MODEL_UNAVAILABLE",
        "busy",
    )


def test_other_connections_get_the_answer_though_a_closed_one_cannot_be_removed(
    sockets: Sockets, client: Client, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = sockets.connect(client.caller)
    gone.send(show_history)
    sockets.sender.gone.add(gone.id)
    worker = sockets.turn_worker(ScriptedAgent(TextDelta("So what.")))
    monkeypatch.setattr(worker._connections, "remove", lambda *_: 1 / 0)

    worker.answer(task, 5)

    assert client.frames[-1]["type"] == "done"


# --- a session that ends ---


@pytest.mark.parametrize("times", [1, 99])
def test_sessions_that_cannot_be_read_are_read_again(
    sockets: Sockets, client: Client, task: Task, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = sockets.turn_worker(ScriptedAgent(TextDelta("So "), 0.1, TextDelta("what.")))
    is_open, calls = worker._sessions.is_open, []

    def fail_at_first(*who: Any) -> Any:
        calls.append(who)
        if len(calls) <= times:
            raise QueryError("throttled")
        return is_open(*who)

    monkeypatch.setattr(worker._sessions, "is_open", fail_at_first)

    worker.answer(task, 5)

    assert len(calls) > 1
    assert client.frames[-1]["type"] == "done"


def test_a_device_that_stays_signed_in_still_gets_the_answer(
    sockets: Sockets, client: Client, task: Task
) -> None:
    asking = client.caller
    other = sockets.connect(another_session_of(asking))
    other.send(show_history)

    answer(sockets, task, TextDelta("Hm "), lambda: sign_out(asking), 0.2, TextDelta("yes."))

    assert other.frames[-2]["text"] == "Hm yes."
    assert other.frames[-1]["type"] == "done"


def test_an_answer_ends_with_the_session_that_asked(
    sockets: Sockets, client: Client, task: Task
) -> None:
    done: list[str] = []

    answer(
        sockets,
        task,
        TextDelta("Hm "),
        lambda: sign_out(client.caller),
        0.3,
        TextDelta("now "),
        lambda: done.append("the cart is changed"),
    )

    assert done == []
    assert client.frames[-1]["code"] == "SIGNED_OUT"
    assert saved(task).state is TurnState.FAILED


def test_a_question_is_not_answered_after_its_session_ended(
    sockets: Sockets, client: Client, task: Task
) -> None:
    sign_out(client.caller)
    agent = ScriptedAgent()

    sockets.turn_worker(agent).answer(task, 5)

    assert agent.questions == []
    assert client.frames[-1]["code"] == "SIGNED_OUT"


@pytest.mark.parametrize("failure", [ModelUnavailable("not now"), ValueError("invalid")])
def test_a_failed_summary_fails_no_answer(
    sockets: Sockets, client: Client, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setattr("ai_buddy.conversations.turn_worker.WINDOW", 2)
    agent = ScriptedAgent(TextDelta("Yes."))

    def refuse(*_: Any) -> str:
        raise failure

    monkeypatch.setattr(agent, "summarise", refuse)
    more: dict[str, str] = {}
    for number in range(3):
        [started] = client.send(take_message, text=str(number), **more)
        more = {"conversationId": started["conversationId"]}
        sockets.run_workers(agent)

    assert sockets.sender.types(client.id).count("done") == 3


def test_a_summary_that_takes_too_long_is_abandoned(
    sockets: Sockets, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai_buddy.conversations.turn_worker.WINDOW", 1)
    agent, finished = ScriptedAgent(TextDelta("Yes.")), Event()
    monkeypatch.setattr(agent, "summarise", lambda *_: finished.wait(10))
    ended: list[str] = []
    client.send(take_message, text="Hello")
    began = time.monotonic()

    sockets.run_workers(agent, seconds=0.5)
    ended.append(client.frames[-1]["type"])

    assert time.monotonic() - began < 5
    assert ended == ["done"]
    finished.set()
