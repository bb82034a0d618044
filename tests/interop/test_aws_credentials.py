# SPDX-License-Identifier: Apache-2.0
"""Every way to sign in to AWS, with credentials that expire in the middle of a scan."""
import concurrent.futures
import hashlib
import json
import pathlib
import sys
import threading
import time

import pytest
from aws_mock import POD_TOKEN, WEB_TOKEN, AwsMock
from programs import environment_without
from sign_in import ROWS, cat, count_by_pylance, write_small_files

pytestmark = pytest.mark.parametrize("place", ["s3"], indirect=True)

PACE = 0.06  # seconds for each file, so that a scan takes longer than the credentials live
ROLE_ARN = "arn:aws:iam::123456789012:role/test"


@pytest.fixture(scope="module")
def table(place):
    """The URI of a table of many small files, so that a scan sends many requests; and its rows as text."""
    uri = place.uri("t.lance")
    return uri, write_small_files(uri, place.storage_options)


def base_environment(mock, home):
    return {**environment_without("AWS_"), "HOME": str(home), "AWS_ENDPOINT": mock.endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": mock.region,
            "AWS_EC2_METADATA_DISABLED": "true"}


def timestamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Source:
    """A way to sign in: what it needs in the environment and in the home directory."""

    def __init__(self, mock, home):
        self.mock, self.home = mock, home
        self.environment = base_environment(mock, home)
        self.aws = home / ".aws"
        (self.aws / "sso" / "cache").mkdir(parents=True)

    def config(self, text):
        (self.aws / "config").write_text(text)

    def instance(self):
        self.environment.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=self.mock.endpoint)
        return "instance"

    def container(self):
        token = self.home / "pod-token"
        token.write_text(POD_TOKEN)
        self.environment.update(AWS_CONTAINER_CREDENTIALS_FULL_URI=self.mock.endpoint + "/v1/credentials",
                                AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token))
        return "container"

    def web_identity(self):
        token = self.home / "web-token"
        token.write_text(WEB_TOKEN)
        self.environment.update(AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_ROLE_ARN=ROLE_ARN, AWS_ENDPOINT_URL_STS=self.mock.endpoint)
        return "web-identity"

    def web_identity_in_a_profile(self):
        self.web_identity()
        token = self.environment.pop("AWS_WEB_IDENTITY_TOKEN_FILE")
        self.config(f"[profile p]\nrole_arn = {self.environment.pop('AWS_ROLE_ARN')}\nweb_identity_token_file = {token}\n")
        self.environment["AWS_PROFILE"] = "p"
        return "web-identity"

    def assumed_role(self):
        (self.aws / "credentials").write_text(f"[base]\naws_access_key_id={self.mock.root[0]}\naws_secret_access_key={self.mock.root[1]}\n")
        self.config(f"[default]\nrole_arn = {ROLE_ARN}\nsource_profile = base\n")
        self.environment["AWS_ENDPOINT_URL_STS"] = self.mock.endpoint
        return "assume-role"

    def sso_cache(self, name, token, seconds, more=None):
        path = self.aws / "sso" / "cache" / (hashlib.sha1(name.encode()).hexdigest() + ".json")
        path.write_text(json.dumps({"accessToken": token, "expiresAt": timestamp(seconds), **(more or {})}))
        return path

    def sso(self):
        self.sso_cache("https://start", self.mock.sso_token, 3600)
        self.config("[default]\nsso_start_url = https://start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n")
        self.environment["AWS_ENDPOINT_URL_SSO"] = self.mock.endpoint
        return "sso"

    def process(self):
        tool = self.home / "my tool"
        tool.write_text(f"#!{sys.executable}\nimport json, urllib.request\n"
                        f"request = urllib.request.Request('{self.mock.endpoint}/v1/credentials', headers={{'Authorization': '{POD_TOKEN}'}})\n"
                        "got = json.load(urllib.request.urlopen(request))\n"
                        "print(json.dumps({'Version': 1, 'SessionToken': got.pop('Token'), **got}))\n")
        tool.chmod(0o755)
        self.config(f"[default]\ncredential_process = \"{tool}\" --flag\n")
        return "container"


SOURCES = ["instance", "container", "web_identity", "web_identity_in_a_profile", "assumed_role", "sso", "process"]


def signed_in_once(place, table, home, name):
    with AwsMock(place.storage_options) as mock:
        source = Source(mock, home / name)
        kind = getattr(source, name)()
        mock.life, mock.throttle = 2, PACE
        started = time.monotonic()
        done = cat(table[0], source.environment)
        taken = time.monotonic() - started
        return name, done.returncode, done.stderr.decode(), done.stdout == table[1], taken, mock.count(kind), len(mock.refused)


def test_credentials_are_renewed_during_a_scan(place, table, tmp_path):
    with concurrent.futures.ThreadPoolExecutor(len(SOURCES)) as pool:
        results = list(pool.map(lambda name: signed_in_once(place, table, tmp_path, name), SOURCES))
    for name, status, stderr, right, taken, issued, _ in results:
        assert status == 0, f"{name}: {stderr}"
        assert right, f"{name}: other rows"
        assert taken > 2, f"{name}: the scan ended before the credentials did"
        assert issued >= 2, f"{name}: never renewed"


def refused_once(place, table, home, name):
    with AwsMock(place.storage_options) as mock:
        source = Source(mock, home / name)
        kind = getattr(source, name)()
        mock.life, mock.claimed, mock.throttle = 1.2, 3600, PACE
        done = cat(table[0], source.environment)
        return name, done.returncode, done.stderr.decode(), done.stdout == table[1], mock.count(kind), len(mock.refused)


def test_refused_credentials_are_read_anew(place, table, tmp_path):
    """The store says that they have expired although they claim to live on."""
    names = ["container", "sso", "process"]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        results = list(pool.map(lambda name: refused_once(place, table, tmp_path, name), names))
    for name, status, stderr, right, issued, refused in results:
        assert status == 0, f"{name}: {stderr}"
        assert right and refused >= 1 and issued >= 2, (name, right, refused, issued)


def test_keys_of_a_profile_that_another_program_renews(place, table, tmp_path):
    with AwsMock(place.storage_options) as mock:
        source = Source(mock, tmp_path / "home")
        mock.life, mock.throttle = 2, PACE
        stop = threading.Event()

        def rotate():
            while not stop.is_set():
                issued = mock.issue("file")
                text = (f"[default]\naws_access_key_id = {issued.access_key}\naws_secret_access_key = {issued.secret_key}\n"
                        f"aws_session_token = {issued.token}\n")
                (source.aws / "new").write_text(text)
                (source.aws / "new").rename(source.aws / "credentials")
                stop.wait(0.7)

        rotator = threading.Thread(target=rotate)
        rotator.start()
        try:
            while not (source.aws / "credentials").exists():
                time.sleep(0.01)
            done = cat(table[0], source.environment)
        finally:
            stop.set()
            rotator.join()
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout == table[1]
        assert mock.refused


def test_the_sso_token_is_renewed_and_saved(place, table, tmp_path):
    with AwsMock(place.storage_options) as mock:
        source = Source(mock, tmp_path / "home")
        source.config("[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
                      "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://start\n")
        source.environment.update(AWS_ENDPOINT_URL_SSO=mock.endpoint, AWS_ENDPOINT_URL_SSO_OIDC=mock.endpoint)
        path = source.sso_cache("s", "sso-token-1", -10, {
            "refreshToken": "sso-refresh", "clientId": "c", "clientSecret": "s", "registrationExpiresAt": timestamp(86400)})
        done = cat(table[0], source.environment)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout == table[1]
        assert json.loads(path.read_text())["accessToken"] == "sso-token-2"
        assert path.stat().st_mode & 0o777 == 0o600


def test_options_name_the_sources_too(place, table, tmp_path):
    with AwsMock(place.storage_options) as mock:
        source = Source(mock, tmp_path / "home")
        source.web_identity()
        variables = {name: source.environment.pop(name) for name in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL_STS")}
        options = tmp_path / "options"
        options.write_text("".join(f"{name.lower()} = {value}\n" for name, value in variables.items()) + "aws_provider_scheme = irsa\n")
        options.chmod(0o600)
        done = cat(table[0], source.environment, "--options-file", options)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout == table[1] and mock.count("web-identity") == 1


@pytest.mark.parametrize("what", ["expired token", "no credentials", "denied role"])
def test_errors_say_what_was_tried(place, table, tmp_path, what):
    with AwsMock(place.storage_options) as mock:
        source = Source(mock, tmp_path / "home")
        if what == "expired token":
            source.sso_cache("https://start", "hush-hush", -5)
            source.config("[default]\nsso_start_url = https://start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n")
            expected = "aws sso login"
        elif what == "no credentials":
            expected = "AWS_WEB_IDENTITY_TOKEN_FILE is not set"
        else:
            source.web_identity()
            pathlib.Path(source.environment["AWS_WEB_IDENTITY_TOKEN_FILE"]).write_text("hush-hush")
            expected = "InvalidIdentityToken"
        started = time.monotonic()
        done = cat(table[0], source.environment)
        assert done.returncode != 0
        assert expected in done.stderr.decode(), done.stderr.decode()
        assert b"hush-hush" not in done.stderr
        assert time.monotonic() - started < 10


def test_pylance_signs_in_the_same_way(place, table, tmp_path):
    """The same environment serves both."""
    with AwsMock(place.storage_options) as mock:
        def run(name):
            source = Source(mock, tmp_path / name)
            getattr(source, name)()
            theirs = count_by_pylance(table[0], source.environment)
            ours = cat(table[0], source.environment, file="count")
            return name, theirs.stdout, ours.stdout, theirs.stderr[-500:], ours.stderr[-500:]

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for name, theirs, ours, their_error, our_error in pool.map(run, SOURCES):
                assert ours.strip() == b"%d" % ROWS, (name, our_error)
                # It runs commands through a shell, which reads the quoted name the same way.
                assert theirs.strip() == ours.strip(), (name, their_error)
