// SPDX-License-Identifier: Apache-2.0
//
// The mount: a Filesystem behind libfuse 3 (low level, multi-threaded). fuse_adapter.cc is the only
// place that knows libfuse; it turns requests into calls and answers into replies and decides nothing.
//
// A FUSE worker never waits (RULES 21): it hands the request over and the reply comes from whatever
// thread has the answer. An interrupted caller cancels his request's context.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "fs/table.h"

namespace lancefs {

struct MountSource {
  std::shared_ptr<ObjectStore> store;
  std::string path;
  std::string uri;                                                   // for people and /proc/mounts; no secrets
  std::map<std::string, std::shared_ptr<ObjectStore>> table_stores;  // see FilesystemOptions
  // "" or what tells the dataset from another of the same URI: each has a state directory of its own.
  std::string endpoint;
};

struct MountOptions {
  // Opens the store; called once, after the process went into the background (stores have threads).
  std::function<Result<MountSource>()> open_source;
  std::string mountpoint;
  // store, path, uri and state_directory are filled in here; uid, gid are the mounter's unless set below.
  FilesystemOptions filesystem;
  std::string state_directory;  // "" = /var/lib/lancefs for root, else $XDG_STATE_HOME/lancefs (RULES 31)
  bool foreground = false;
  bool allow_other = false;  // every local user then has the mount's credentials
  bool default_permissions = true;
  bool auto_unmount = true;  // the mount goes away with a killed daemon
  bool debug = false;        // libfuse's own trace on stderr
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
  std::string log_file;                                // in the background: "" = syslog
  std::vector<std::string> fuse_options;               // passed on: "noexec", ...
  std::chrono::milliseconds open_timeout{60000};       // of the first look at the store
  std::chrono::milliseconds shutdown_timeout{300000};  // for the commits that were promised
};

// Mounts and serves until the mount is gone or SIGTERM, SIGINT or SIGHUP arrives, then finishes
// commits. In the background (not `foreground`) the call returns twice: in the calling process once
// the mount answers (or with what went wrong), in the daemon at its end.
// A mountpoint that a killed daemon left behind is cleared first.
// REQUIRES: the process has one thread.
Status MountAndServe(const MountOptions& options);

}  // namespace lancefs
