# SPDX-License-Identifier: Apache-2.0
"""Tokens that service accounts sign themselves, as google-auth makes them."""
import base64
import json
import random

from google.auth import crypt, jwt
from running import make_rsa_key
from signing import COUNT, ask_probe


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_random_tokens_are_signed_as_google_auth_signs_them(build_dir):
    rng = random.Random(20261121)
    characters = "abcXYZ019-_.@+/\\\"<>\u00e4\u4e2d\U0001f600 "
    keys = [make_rsa_key(2048), make_rsa_key(3072)]
    requests = [{"private_key": rng.choice(keys), "private_key_id": "".join(rng.choice(characters) for _ in range(rng.randint(1, 40))),
                 "client_email": "".join(rng.choice(characters) for _ in range(rng.randint(1, 60))), "now": rng.randrange(2**33)}
                for _ in range(COUNT)]
    tokens = ask_probe(build_dir, "token_probe", requests)
    signers = {key: crypt.RSASigner.from_string(key) for key in keys}
    for request, token in zip(requests, tokens):
        header, claims, signature = token.split(".")
        # The same claims as text, in the same order, make the same token: RS256 has no randomness.
        assert decode(header) == {"typ": "JWT", "alg": "RS256", "kid": request["private_key_id"]}
        assert decode(claims) == {"iss": request["client_email"], "sub": request["client_email"], "iat": request["now"],
                                  "scope": "https://www.googleapis.com/auth/cloud-platform", "exp": request["now"] + 3600}
        theirs = signers[request["private_key"]].sign(f"{header}.{claims}".encode())
        assert base64.urlsafe_b64encode(theirs).decode().rstrip("=") == signature
    # And the whole token is one that google-auth takes: with its own encoding of the claims it differs in spaces only.
    request, token = requests[0], tokens[0]
    made = jwt.encode(signers[request["private_key"]], decode(token.split(".")[1]), key_id=request["private_key_id"]).decode()
    assert [decode(part) for part in made.split(".")[:2]] == [decode(part) for part in token.split(".")[:2]]
