"""What an address may be, where it may lead, and that nobody reads it again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from background import channels, webhook
from background.alarms import REST_S, try_out
from background.channels import NotSent
from baton import telemetry
from baton.vocabulary import ChannelKind

SECRETS = ("hunter22", "p@ss/w0rd", "T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ")


@pytest.mark.parametrize(
    "url",
    [
        "mailto://me:hunter22@127.0.0.1:1?to=a@example.com&mode=insecure",
        "mailto://me:p%40ss%2Fw0rd@127.0.0.1:1?to=a@example.com&mode=insecure",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops?nonsense",
    ],
)
def test_nothing_an_error_says_is_part_of_the_address(url):
    said = f"failed: {url} and A1BRTD4JD and p@ss/w0rd at hunter22, TIiajkdnlazkcOXrIdevi7FQ for T1JJ3T3L2"

    text = channels.masked(said, url)

    assert [secret for secret in SECRETS if secret in url and secret in text] == []
    assert "p%40ss" not in text
    if "%40" in url:
        assert "p@ss/w0rd" not in text


def test_a_secret_is_neither_in_an_error_nor_in_a_log_line(tower, capfd):
    problems = []
    for name, url in (
        (
            "refused",
            "mailto://canary4711:hunter22@127.0.0.1:1?to=a@example.com&mode=insecure&from=b@example.com",
        ),
        ("unreadable", "nonsense://canary4711:hunter22@x"),
    ):
        problems.append(try_out(tower.channel(name=name, url=url), "ana"))
        tower.failure()
        tower.work()
    said = "".join([*problems, *tower.problems(), *capfd.readouterr()])

    assert all(problems)
    assert "hunter22" not in said
    assert "canary4711" not in said


def test_apprise_says_nothing_of_its_own():
    script = "from background import channels; channels.problem_of('mailto://me:hunter22@:bad?to=x')"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert (ran.stdout, ran.stderr) == ("", "")


def test_an_unexpected_error_is_told_by_its_place_alone(tower, monkeypatch):
    seen = []
    telemetry.observe(lambda name, facts: seen.append((name, facts)))

    def broken(*_: object) -> None:
        raise KeyError("hunter22")

    monkeypatch.setattr(channels, "send", broken)
    tower.channel()
    tower.failure()
    tower.work()

    [facts] = [facts for name, facts in seen if name == "alarm.failed"]
    assert facts["error"] == "KeyError"
    assert "test_channels.py:" in facts["at"]
    assert tower.problems() == ["KeyError while sending"]
    assert "hunter22" not in str(seen)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("json://10.0.0.1/", "json:// is not taken here: use a webhook"),
        ("syslog://", "syslog:// is not taken here"),
        ("slack://T1/B2/x?template=/etc/passwd", "leave out template"),
        ("mailto://a:b@example.com?pgpkey=/etc/passwd", "leave out pgpkey"),
        ("gotify://example.com/token?redirect=yes", "leave out redirect"),
        ("nonsense://x", "no address that Apprise knows"),
        ("mailto://[::1", "no address that Apprise knows"),
        ("", "no address that Apprise knows"),
    ],
)
def test_an_address_that_is_not_taken_says_why(url, text):
    assert text in channels.problem_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "mailto://user:password@example.com?to=me@example.com",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
        "workflows://prod-1.westus.logic.azure.com:443/0a1b2c3d4e5f/A-signature-of-theirs/",  # Teams
        "tgram://123456789:abcdefghijklmnopqrstuvwxyzABCDEFGHI/12315544/",
        "dingtalk://abcdefghijklmnop1234567890",
        "feishu://abcdefghijklmnop1234567890",
        "wecombot://693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa",
    ],
)
def test_the_usual_services_are_known(url):
    assert channels.problem_of(url) == ""


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "2130706433"])
def test_a_chat_server_stands_in_no_private_network_unless_it_is_listed(address):
    with pytest.raises(NotSent, match="on a private or reserved network: list it as private:"):
        channels.send(f"gotify://{address}:1/token", "a", "b")


def test_a_listed_private_server_is_asked(tower):
    with pytest.raises(NotSent) as problem:
        channels.send("gotify://127.0.0.1:1/canary4711", "a", "b", ["private:127.0.0.1"])

    assert "private" not in str(problem.value)
    assert "canary4711" not in str(problem.value)


def test_a_webhook_follows_no_redirect_and_reaches_no_private_network(tower):
    tower.hooks.redirect_to = f"http://127.0.0.1:{tower.hooks.port}/elsewhere"
    with pytest.raises(NotSent, match="the webhook answered 302"):
        webhook.send(tower.hooks.url, "s", {}, 1, 0, ["private:127.0.0.1"])
    assert tower.hooks.asked == 1

    with pytest.raises(NotSent, match=r"on a private or reserved network.*BATON_WEBHOOK_HOSTS"):
        webhook.send(tower.hooks.url, "s", {}, 1, 0, [])
    assert tower.hooks.asked == 1


def test_a_channel_that_is_down_rests_and_holds_up_no_other(tower):
    tower.channel(name="down", url="mailto://127.0.0.1:1?from=a@example.com&to=b@example.com&mode=insecure")
    tower.channel(name="hook", kind=ChannelKind.WEBHOOK, url=tower.hooks.url, secret="s")
    for _ in range(5):
        tower.failure()

    tower.work()

    assert len(tower.hooks.received) == 5
    assert tower.tries("down") == [1, 0, 0, 0, 0], "one tells that it is down"
    tower.clock.advance(REST_S)
    tower.work()
    assert sorted(tower.tries("down")) in ([0, 0, 0, 0, 2], [0, 0, 0, 1, 1])
