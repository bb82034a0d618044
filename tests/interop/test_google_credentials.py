# SPDX-License-Identifier: Apache-2.0
"""Every way to sign in to Google Cloud Storage, with tokens that expire in the middle of a scan."""
import concurrent.futures
import contextlib
import json
import pathlib
import time
import urllib.parse

import pyarrow as pa
import pytest
from gcs_bucket import Bucket
from loopback import LoopbackServer, forward, read_body, send
from proxies import Proxy
from running import make_certificate
from sign_in import cat, count_by_pylance

FRAGMENTS = 150
LIFE = 3  # seconds of a token: more than the requests that are sent together take, less than a scan
ROWS = b"".join(b'{"id":%d}\n' % i for i in range(FRAGMENTS))
JWT = "urn:ietf:params:oauth:token-type:jwt"
AWS_REQUEST = "urn:ietf:params:aws:token-type:aws4_request"


class Google(LoopbackServer):
    """accounts.google.com for those who ask through `proxy_url` and trust `ca_file`; the test's server gives the answers."""

    def __init__(self, origin, folder):
        certificates = make_certificate(folder / "google", "accounts.google.com")
        self.ca_file = certificates / "public.crt"
        self.origin = urllib.parse.urlsplit(origin).netloc
        super().__init__((self.ca_file, certificates / "private.key"))

    def serve(self, handler):
        answer, body = forward(self.origin, handler.command, handler.path, handler.headers, read_body(handler))
        send(handler, answer.status, body, answer.getheaders())

    @contextlib.contextmanager
    def reached(self):
        with self, Proxy(places={"accounts.google.com:443": f"127.0.0.1:{self.port}"}) as self.proxy:
            self.proxy_url = f"http://127.0.0.1:{self.proxy.port}"
            yield self


@pytest.fixture(scope="module")
def bucket():
    with Bucket.serve() as served:
        yield served


@pytest.fixture(scope="module")
def google(bucket, tmp_path_factory):
    with Google(bucket.base_url, tmp_path_factory.mktemp("google")).reached() as served:
        yield served


@pytest.fixture(scope="module")
def uri(bucket):
    """A table of many small files, so that a scan sends many requests."""
    return bucket.write("t.lance", pa.table({"id": pa.array(range(FRAGMENTS), pa.int64())}), max_rows_per_file=1)


@pytest.fixture
def server(bucket):
    yield bucket
    bucket.set(life=3600, delay="0s")


class Source:
    """A way to sign in: what it needs in the environment and in the home directory."""

    def __init__(self, bucket, google, home):
        self.bucket, self.google, self.home = bucket, google, home
        self.account = json.loads(pathlib.Path(bucket.variables["GCS_SERVICE_ACCOUNT"]).read_text())
        del self.account["gcs_base_url"]
        (home / ".config/gcloud").mkdir(parents=True)
        self.environment = {**bucket.environment, "HOME": str(home), "USER_AGENT": home.name, "NO_GCE_CHECK": "true",
                            "LANCEFS_LOG_LEVEL": "debug"}
        del self.environment["GOOGLE_STORAGE_TOKEN"]

    def write(self, name, value):
        path = self.home / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return str(path)

    def well_known(self, value):
        self.write(".config/gcloud/application_default_credentials.json", value)

    def named(self, value):
        self.environment["GOOGLE_APPLICATION_CREDENTIALS"] = self.write("named.json", value)

    def service_account(self):
        self.environment["GOOGLE_SERVICE_ACCOUNT"] = self.write("account.json", {**self.account, "gcs_base_url": self.bucket.base_url})
        del self.environment["GOOGLE_BASE_URL"]  # the file names the emulator

    def key(self):
        self.environment["GOOGLE_SERVICE_ACCOUNT_KEY"] = json.dumps(self.account)

    def application_default(self):
        self.well_known(self.account)

    def application_named(self):
        self.named(self.account)

    def through_the_proxy(self):
        self.environment.update(PROXY_URL=self.google.proxy_url, PROXY_EXCLUDES="127.0.0.1", SSL_CERT_FILE=str(self.google.ca_file))

    def user(self):
        self.through_the_proxy()
        self.well_known({"type": "authorized_user", "client_id": "id", "client_secret": "hush-hush", "refresh_token": "refresh-ok"})

    def metadata(self):
        self.environment.update(GCE_METADATA_HOST=self.bucket.variables["GCS_METADATA_HOST"], NO_GCE_CHECK="false")

    def external(self, source, token_type=JWT, **more):
        self.named({"type": "external_account", "audience": "//iam.googleapis.com/projects/1/providers/lancefs",
                    "subject_token_type": token_type, "token_url": self.bucket.base_url + "/sts", "credential_source": source, **more})

    def external_file(self):
        self.external({"file": self.write("subject", "subject-ok\n"), "format": {"type": "text"}})

    def external_url(self):
        self.external({"url": self.bucket.base_url + "/subject", "headers": {"X-Subject": "please"},
                       "format": {"type": "json", "subject_token_field_name": "value"}})

    def external_program(self):
        answer = {"version": 1, "success": True, "token_type": JWT, "id_token": "subject-ok"}
        self.environment["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1"
        self.external({"executable": {"command": f"cat '{self.write('my answer', answer)}'"}})

    def external_aws(self):
        self.environment.update(AWS_ACCESS_KEY_ID="LANCEFSTEST", AWS_SECRET_ACCESS_KEY="hush-hush", AWS_REGION="eu-west-1")
        url = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
        self.external({"environment_id": "aws1", "regional_cred_verification_url": url}, AWS_REQUEST)

    def external_impersonating(self):
        self.external({"file": self.write("subject", "subject-ok"), "format": {"type": "text"}},
                      service_account_impersonation_url=self.bucket.base_url + "/impersonate/a@b:generateAccessToken")

    def impersonated(self):
        self.well_known({"type": "impersonated_service_account", "source_credentials": self.account,
                         "service_account_impersonation_url": self.bucket.base_url + "/impersonate/a@b:generateAccessToken"})


SIGNED_BY_US = ["service_account", "key", "application_default", "application_named"]
HANDED_OUT = ["user", "metadata", "external_file", "external_url", "external_program", "external_aws", "external_impersonating",
              "impersonated"]


def scan_by_all(server, google, uri, home, names):
    def scan(name):
        source = Source(server, google, home / name)
        getattr(source, name)()
        started = time.monotonic()
        done = cat(uri, source.environment)
        return name, done, time.monotonic() - started

    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        results = list(pool.map(scan, names))
    for name, done, taken in results:
        assert done.returncode == 0, f"{name}: {done.stderr.decode()}"
        assert done.stdout == ROWS, f"{name}: other rows"
        assert taken > LIFE, f"{name}: the scan ended before its first token did"
        for secret in (b"hush-hush", b"issued-", b"subject-ok", b"PRIVATE KEY", b"Bearer"):
            assert secret not in done.stderr, f"{name}: the log shows {secret}"
    return server.stats()


def test_tokens_are_renewed_during_a_scan(server, google, uri, tmp_path):
    server.set(life=LIFE, delay="30ms")
    stats = scan_by_all(server, google, uri, tmp_path, HANDED_OUT)
    for name in HANDED_OUT:
        assert stats["Issued"].get(name, 0) >= 2, f"{name}: never renewed"
    assert {line.split()[1] for line in google.proxy.seen} == {"accounts.google.com:443"}


def test_refused_tokens_are_fetched_anew(server, google, uri, tmp_path):
    """The store says that they have expired although they claim to live on."""
    names = SIGNED_BY_US + HANDED_OUT
    server.set(life=LIFE, claim=3600, delay="30ms")
    before = server.stats()
    stats = scan_by_all(server, google, uri, tmp_path, names)
    for name in names:
        assert stats["Refused"].get(name, 0) > before["Refused"].get(name, 0), f"{name}: never refused"
        if name in HANDED_OUT:
            assert stats["Issued"][name] >= before["Issued"].get(name, 0) + 2, f"{name}: never fetched anew"


def test_pylance_signs_in_the_same_way(server, google, uri, tmp_path):
    """The same environment serves both (but pylance runs no programs, and asks Google's own addresses alone to impersonate)."""
    names = SIGNED_BY_US + ["metadata", "external_file", "external_url", "external_aws"]

    def run(name):
        source = Source(server, google, tmp_path / name)
        getattr(source, name)()
        theirs = count_by_pylance(uri, source.environment)
        ours = cat(uri, source.environment, file="count")
        return name, theirs.stdout, ours.stdout, theirs.stderr[-800:], ours.stderr[-500:]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, theirs, ours, their_error, our_error in pool.map(run, names):
            assert ours.strip() == b"%d" % FRAGMENTS, (name, our_error)
            assert theirs.strip() == ours.strip(), (name, their_error)


def test_options_name_the_sources_too(server, google, uri, tmp_path):
    source = Source(server, google, tmp_path / "home")
    source.key()
    options = tmp_path / "options"
    options.write_text(f"google_service_account_key = {source.environment.pop('GOOGLE_SERVICE_ACCOUNT_KEY')}\n")
    options.chmod(0o600)
    done = cat(uri, source.environment, "--options-file", options, file="count")
    assert done.stdout == b"%d\n" % FRAGMENTS, done.stderr
    refused = cat(uri, source.environment, "--storage-option", "google_service_account_key=hush-hush", file="count")
    assert refused.returncode != 0 and b"hush-hush" not in refused.stderr and b"secret" in refused.stderr


@pytest.mark.parametrize("what", ["no credentials", "revoked user", "wrong subject"])
def test_errors_say_what_was_tried(server, google, uri, tmp_path, what):
    source = Source(server, google, tmp_path / "home")
    if what == "no credentials":
        expected = ["google_service_account", "application_default_credentials.json", "NO_GCE_CHECK"]
    elif what == "revoked user":
        source.user()
        source.well_known({"type": "authorized_user", "client_id": "id", "client_secret": "hush-hush", "refresh_token": "hush-hush"})
        expected = ["accounts.google.com", "invalid_grant: refresh token"]
    else:
        source.external_file()
        (source.home / "subject").write_text("hush-hush")
        expected = ["external account", "invalid_grant: subject token"]
    started = time.monotonic()
    done = cat(uri, source.environment)
    assert done.returncode != 0
    for text in expected:
        assert text in done.stderr.decode()
    assert b"hush-hush" not in done.stderr
    assert time.monotonic() - started < 10
