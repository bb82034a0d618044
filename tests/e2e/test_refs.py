# SPDX-License-Identifier: Apache-2.0
"""tags/ and branches/: pylance's are shown, and it sees ours."""
import errno
import json
import os
import subprocess

import lance
import pyarrow as pa
import pytest
from mounts import Mount, wait_until
from programs import LANCEFS


def table(rows, start=0):
    return pa.table({"id": pa.array(range(start, start + rows), pa.int64())})


@pytest.fixture
def path(tmp_path):
    """Versions 1 to 3 of main, two branches with versions of their own, tags of both."""
    path = tmp_path / "t.lance"
    for i in range(3):
        lance.write_dataset(table(10, 10 * i), str(path), mode="append" if i else "create")
    dataset = lance.dataset(str(path))
    dataset.tags.create("first", 1)
    dataset.create_branch("side", 2)
    dataset.create_branch("people/anna", 1)
    for name in ("side", "people/anna"):
        branch = dataset.checkout_version((name, None))
        lance.write_dataset(table(5, 1000), branch, mode="append")
    dataset.tags.create("on-side", ("side", 3))
    dataset.tags.create("on-anna", ("people/anna", None))
    return path


@pytest.fixture
def root(path):
    with Mount(path, "refresh=100ms") as mount:
        yield mount.path


def code_of(call, *arguments, **names):
    with pytest.raises(OSError) as error:
        call(*arguments, **names)
    return error.value.errno


def test_tags_are_links(path, root):
    assert sorted(os.listdir(root / "tags")) == ["first", "on-anna", "on-side"]
    assert os.readlink(root / "tags/first") == "../versions/1"
    assert os.readlink(root / "tags/on-side") == "../branches/side/versions/3"
    assert os.readlink(root / "tags/on-anna") == "../branches/%people%2Fanna/versions/2"
    assert [int((root / f"tags/{name}/count").read_text()) for name in ("first", "on-side", "on-anna")] == [10, 25, 15]
    for entry in os.scandir(root / "tags"):
        status = os.lstat(entry.path)
        assert entry.is_symlink() and entry.inode() == status.st_ino and status.st_size == len(os.readlink(entry.path))
    assert code_of(os.readlink, root / "tags/none") == errno.ENOENT


def test_a_tag_of_pylance_appears(path, root):
    assert "later" not in os.listdir(root / "tags")
    lance.dataset(str(path)).tags.create("later", 2)
    wait_until(lambda: "later" in os.listdir(root / "tags"), 5)
    assert (root / "tags/later/count").read_text() == "20\n"
    lance.dataset(str(path)).tags.update("later", 3)
    wait_until(lambda: os.readlink(root / "tags/later") == "../versions/3", 5)
    lance.dataset(str(path)).tags.delete("later")
    wait_until(lambda: "later" not in os.listdir(root / "tags"), 5)


def test_a_link_makes_a_tag(path, root):
    os.symlink("../versions/2", root / "tags/v2")
    assert os.readlink(root / "tags/v2") == "../versions/2"
    assert "v2" in os.listdir(root / "tags")
    assert (root / "tags/v2/count").read_text() == "20\n"
    subprocess.run(["ln", "-s", "../branches/side/versions/3", root / "tags/side.3"], check=True)
    os.symlink("../branches/%people%2Fanna/versions/latest", root / "tags/anna_now")
    assert os.readlink(root / "tags/anna_now") == "../branches/%people%2Fanna/versions/2"
    subprocess.run("cd tags && ln -s ../versions/latest/ now", shell=True, check=True, cwd=root)

    dataset = lance.dataset(str(path))
    ours, theirs = (json.loads((path / f"_refs/tags/{name}.json").read_text()) for name in ("v2", "first"))
    assert ours.keys() == theirs.keys()
    assert ours["manifestSize"] == os.path.getsize(path / "_versions" / f"{2**64 - 1 - 2}.manifest")
    tags = dataset.tags.list()
    assert {name: (tag["branch"], tag["version"]) for name, tag in tags.items() if name in ("v2", "side.3", "anna_now", "now")} == {
        "v2": (None, 2), "side.3": ("side", 3), "anna_now": ("people/anna", 2), "now": (None, 3)}
    assert dataset.checkout_version("v2").count_rows() == 20
    assert dataset.checkout_version("side.3").count_rows() == 25
    assert dataset.checkout_version("anna_now").count_rows() == 15
    dataset.tags.update("v2", 1)
    dataset.tags.delete("side.3")
    # A tagged version is kept.
    with pytest.raises(Exception, match="tag"):
        dataset.cleanup_old_versions(older_than=__import__("datetime").timedelta(0), error_if_tagged_old_versions=True)


@pytest.mark.parametrize("name,target,code", [
    ("first", "../versions/2", errno.EEXIST),
    ("x y", "../versions/2", errno.EINVAL),
    ("ä", "../versions/2", errno.EINVAL),
    (".x", "../versions/2", errno.EINVAL),
    ("a..b", "../versions/2", errno.EINVAL),
    ("a.lock", "../versions/2", errno.EINVAL),
    ("x", "../versions/99", errno.ENOENT),
    ("x", "../versions/02", errno.EINVAL),
    ("x", "../versions/asof=2020-01-01", errno.EINVAL),
    ("x", "../branches/none/versions/1", errno.ENOENT),
    ("x", "versions/2", errno.EINVAL),
    ("x", "/etc/passwd", errno.EINVAL),
    ("x", "../versions/2/rows.jsonl", errno.EINVAL),
])
def test_what_is_no_tag(path, root, name, target, code):
    before = set(os.listdir(path / "_refs/tags"))
    assert code_of(os.symlink, target, root / "tags" / name) == code
    assert set(os.listdir(path / "_refs/tags")) == before


def test_two_who_make_one_tag(path):
    with Mount(path, "refresh=1h") as one, Mount(path, "refresh=1h") as two:
        assert "mine" not in os.listdir(two.path / "tags")  # and remembers that
        os.symlink("../versions/1", one.path / "tags/mine")
        assert code_of(os.symlink, "../versions/2", two.path / "tags/mine") == errno.EEXIST
        assert lance.dataset(str(path)).tags.list()["mine"]["version"] == 1


def test_tags_are_not_taken_away(path, root):
    before = {name: (path / "_refs/tags" / name).read_bytes() for name in os.listdir(path / "_refs/tags")}
    assert code_of(os.unlink, root / "tags/first") == errno.EROFS
    assert code_of(os.rename, root / "tags/first", root / "tags/second") == errno.EROFS
    assert code_of(os.mkdir, root / "tags/folder") == errno.EROFS
    assert code_of(open, root / "tags/file", "w") == errno.EROFS
    assert subprocess.run(["ln", "-sfn", "../versions/2", root / "tags/first"], capture_output=True, check=False).returncode != 0
    assert {name: (path / "_refs/tags" / name).read_bytes() for name in os.listdir(path / "_refs/tags")} == before


def test_a_read_only_mount_makes_no_tag(path):
    with Mount(path, "ro") as mount:
        assert code_of(os.symlink, "../versions/2", mount.path / "tags/x") == errno.EROFS
        assert os.stat(mount.path / "tags").st_mode & 0o777 == 0o555
        assert os.readlink(mount.path / "tags/first") == "../versions/1"


def test_no_links_anywhere_else(root):
    for folder in ("", "versions", "branches", "query", "rows", "versions/1"):
        assert code_of(os.symlink, "../versions/2", root / folder / "x") == errno.EROFS, folder
    assert code_of(os.symlink, "/etc/passwd", root / "append/x.jsonl") == errno.EPERM


def test_branches(path, root):
    assert sorted(os.listdir(root / "branches")) == ["%people%2Fanna", "side"]
    dataset = lance.dataset(str(path))
    for name, folder in (("side", "side"), ("people/anna", "%people%2Fanna")):
        branch = dataset.checkout_version((name, None))
        tree = root / "branches" / folder
        assert set(os.listdir(tree)) == {"README.txt", "info.json", "schema.json", "schema.txt", "count", "head.jsonl", "rows.jsonl", "rows.csv",
                                         "rows.parquet", "rows", "columns", "fragments", "indices", "query", "versions"}
        assert [json.loads(line) for line in open(tree / "rows.jsonl", encoding="utf-8")] == branch.to_table().to_pylist()
        assert sorted(os.listdir(tree / "versions")) == [*(str(v["version"]) for v in branch.versions()), "latest"]
        info = json.loads((tree / "info.json").read_text())
        assert (info["branch"], info["version"], info["rows"]) == (name, branch.version, branch.count_rows())
        assert (tree / "query/id.ge=1000/count").read_text() == "5\n"
        assert json.loads((tree / f"rows/{branch.count_rows() - 1}.json").read_text()) == {"id": 1004}
        files = list((tree / "fragments/0/files").iterdir())
        assert files[0].read_bytes() == (path / "data" / files[0].name).read_bytes()
        assert os.stat(tree).st_ino == {entry.name: entry.inode() for entry in os.scandir(root / "branches")}[folder]
    info = json.loads((root / "info.json").read_text())
    assert info["branch"] == "main"
    assert info["branches"] == {"people/anna": {"parent": "main", "parent_version": 1}, "side": {"parent": "main", "parent_version": 2}}
    assert info["tags"]["on-side"] == {"branch": "side", "version": 3}
    for name in ("none", "people", "main", ".git"):
        assert code_of(os.stat, root / "branches" / name) == errno.ENOENT


def test_a_branch_goes_its_own_way(path, root):
    tree = root / "branches/side"
    assert (tree / "count").read_text() == "25\n"
    lance.write_dataset(table(7, 2000), lance.dataset(str(path)).checkout_version(("side", None)), mode="append")
    wait_until(lambda: (tree / "count").read_text() == "32\n", 5)
    assert (tree / "versions/3/count").read_text() == "25\n"
    assert os.readlink(tree / "versions/latest") == "4"
    assert (root / "count").read_text() == "30\n"
    # Version 3 of main and of the branch are two files.
    assert os.stat(tree / "versions/3/rows.jsonl").st_ino != os.stat(root / "versions/3/rows.jsonl").st_ino


def test_branches_come_and_go(path, root):
    dataset = lance.dataset(str(path))
    dataset.create_branch("new", 1)
    wait_until(lambda: "new" in os.listdir(root / "branches"), 5)
    assert (root / "branches/new/count").read_text() == "10\n"
    dataset.branches.delete("new")
    wait_until(lambda: not (root / "branches/new").exists(), 5)


def test_on_a_store(place):
    uri = place.uri("refs.lance")
    dataset = lance.write_dataset(table(10), uri, storage_options=place.storage_options)
    dataset.tags.create("first", 1)
    dataset.create_branch("side", 1)
    with Mount(uri, env={**os.environ, **place.env}) as mount:
        os.symlink("../branches/side/versions/latest", mount.path / "tags/ours")
        assert sorted(os.listdir(mount.path / "tags")) == ["first", "ours"]
        assert (mount.path / "tags/ours/count").read_text() == "10\n"
        assert lance.dataset(uri, storage_options=place.storage_options).tags.list()["ours"]["branch"] == "side"


def test_without_a_mount(path):
    def cat(*words):
        return subprocess.run([LANCEFS, *words], capture_output=True, check=True).stdout.decode()

    assert cat("cat", path, "tags/first/count") == "10\n"
    assert cat("cat", path, "tags/on-side/query/id.ge=1000/count") == "5\n"
    assert cat("ls", path, "tags").split() == ["first", "on-anna", "on-side"]
    assert cat("cat", path, "branches/%people%2Fanna/rows/0.json") == '{"id":0}\n'
