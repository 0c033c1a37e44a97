"""Passwords that everybody who guesses tries first: common words dressed up, walks over the keyboard.

A list of the most common passwords is mostly a few hundred words with digits behind them, a capital in
front, and `0` for `o`. So the words stand here, and the dress is taken off before they are compared.
"""

from __future__ import annotations

import re

_MOST_GUESSED = """
    password passwort passw passwd pass motdepasse contrasena senha parola wachtwoord haslo parool admin
    administrator root user guest test tester testing default changeme changeit secret letmein welcome
    login master access system manager operator demo temp temporary public private qwerty qwertz azerty
    qwert asdf zxcvb abc abcd abcdef baton scheduler executor server computer internet network iloveyou
    loveyou lovely love lover loveme forever sunshine princess princesa prince angel angels football
    baseball basketball soccer hockey tennis golf golfer cricket liverpool chelsea arsenal barcelona
    realmadrid juventus manchester rangers celtic yankees cowboys steelers lakers eagles dragon monkey
    shadow superman batman spiderman pokemon naruto starwars startrek matrix gandalf michael jennifer
    jessica jordan ashley daniel andrew joshua matthew anthony robert thomas charlie william james
    george david joseph richard christopher nicole amanda michelle melissa elizabeth samantha stephanie
    alexander alexandra patricia barbara victoria vanessa hannah maria martin freedom whatever trustno
    trustnoone blink nothing hello goodbye samsung google facebook microsoft windows apple android
    iphone twitter youtube myspace linkedin instagram amazon hotmail flower flowers butterfly rainbow
    summer winter spring autumn january february march april may june july august september october
    november december monday tuesday wednesday thursday friday saturday sunday chocolate cookie cheese
    banana orange purple yellow silver golden diamond crystal pepper ginger killer hunter ranger warrior
    knight soldier marine ninja samurai pirate wizard legend phoenix tiger lion eagle falcon wolf bear
    panther jaguar mustang corvette ferrari porsche mercedes harley yamaha honda toyota nissan maverick
    thunder lightning storm hurricane mountain ocean river family mother father sister brother daughter
    baby babygirl babyboy sweetheart honey sugar friend friends bestfriend buddy jesus christ heaven
    blessed church bible genesis money dollar million business company office service support marketing
    sales finance music guitar metallica nirvana slipknot eminem beatles elvis player gamer gaming
    minecraft fortnite roblox counterstrike warcraft starcraft halo zelda mario sonic nintendo
    playstation xbox america american london paris berlin germany france england ireland scotland canada
    australia india china russia moscow brazil mexico spain italy japan tokyo newyork california texas
    florida chicago boston dallas helloworld openup opensesame abracadabra mypassword newpassword
    yourpassword thepassword nopassword trustme pleaseletmein iamtheadmin supersecret topsecret
    changemenow correcthorse q1w2e3r4 q1w2e3 1q2w3e4r 1qaz2wsx zaq12wsx qazwsx qweasd qweasdzxc asdfgh
    asdfghjkl zxcvbnm qwertyuiop
"""
_WORDS = frozenset(_MOST_GUESSED.split())

_WALKS = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "q1w2e3r4t5y6u7i8o9p0",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()",
)
_WAYS = tuple(walk for path in _WALKS for walk in (path, path[::-1]))
_SHORTEST_WALK = 3
_LONGEST_NUMBER = 12
_FEWEST_CHARACTERS = 4

_PLAIN = str.maketrans("01345789@$!|", "oieastbgasil")


def is_common(password: str) -> bool:
    """Whether a guesser has this password among the first few thousand."""
    folded = password.casefold().strip()
    if len(set(folded)) < _FEWEST_CHARACTERS:
        return True
    if folded.isdigit() and len(folded) <= _LONGEST_NUMBER:
        return True  # mostly dates and telephone numbers
    return _is_walked(folded) or _is_dressed_word(folded)


def _is_dressed_word(folded: str) -> bool:
    cores = {folded, re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)}
    plain = {core.translate(_PLAIN) for core in cores}
    return any(_is_word(core) for core in cores | plain)


def _is_word(core: str) -> bool:
    half = core[: len(core) // 2]
    return core in _WORDS or (half * 2 == core and half in _WORDS)


def _is_walked(folded: str) -> bool:
    """Nothing but straight ways over the keyboard or the alphabet, one after the other."""
    rest = folded
    while rest:
        length = next((n for n in range(len(rest), _SHORTEST_WALK - 1, -1) if _is_way(rest[:n])), 0)
        if not length:
            return False
        rest = rest[length:]
    return True


def _is_way(piece: str) -> bool:
    return len(set(piece)) == 1 or any(piece in way for way in _WAYS)
