// SPDX-License-Identifier: Apache-2.0
//
// status/: what happened in this mount. One for the whole mount.
#include <nlohmann/json.hpp>

#include "base/metrics.h"
#include "fs/text.h"
#include "fs/tree/directory.h"

namespace lancefs {
namespace {

using Json = nlohmann::ordered_json;

std::string MetricsJson() {
  Json json = Json::object();
  for (const auto& [name, value] : Metrics::Global().Snapshot()) json[name] = value;
  return json.dump(2) + "\n";
}

std::string ConfigJson(const Mount& mount) {
  static constexpr const char* kSizes[] = {"auto", "exact", "stream"};
  Json json;
  json["uri"] = mount.options.uri;
  json["database"] = mount.options.is_database;
  json["read_only"] = mount.options.read_only;
  json["refresh_ms"] = mount.options.refresh.count();
  json["sizes"] = kSizes[static_cast<int>(mount.options.sizes)];
  json["open_budget_ms"] = mount.options.open_budget.count();
  json["spill_bytes"] = mount.options.spill_bytes;
  json["started"] = FormatTime(mount.started_ns);
  for (const auto& [key, value] : mount.options.shown_config) json[key] = value;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

class ErrorsDirectory : public Directory {
 public:
  using Directory::Directory;
  double negative_timeout() const override { return 0; }

  Result<Child> Lookup(const std::string& name, const Scope&) override {
    std::optional<ErrorRecord> record = mount_->log->FindError(name);
    if (!record) return NoSuch(name);
    const std::string key = this->key() + "/" + name;
    return Child{Make<TextFile>(key, mount_, key, JoinPath(path(), name), record->time_ns, /*fixed=*/true,
                                [record](const Caller&) -> Result<std::string> { return record->ToJson(); }),
                 0};
  }
  Result<std::vector<DirEntry>> List(const Scope&) override {
    std::vector<DirEntry> entries;
    for (const ErrorRecord& record : mount_->log->Errors())
      entries.push_back(Entry(record.file_name(), key() + "/" + record.file_name(), S_IFREG));
    return entries;
  }
};

class StatusDirectory : public Directory {
 public:
  using Directory::Directory;

  Result<Child> Lookup(const std::string& name, const Scope&) override {
    const std::string key = this->key() + "/" + name;
    if (name == "errors") return Child{Make<ErrorsDirectory>(key, mount_, key, JoinPath(path(), name)), kForever};
    TextFile::Make make;
    Mount* mount = mount_.get();  // outlives its nodes' texts: each node holds it
    if (name == "commits.jsonl") make = [mount](const Caller&) -> Result<std::string> { return mount->log->CommitsJsonl(); };
    if (name == "last_error")
      make = [mount](const Caller& caller) -> Result<std::string> { return mount->log->LastError(caller.uid); };
    if (name == "io.json") make = [](const Caller&) -> Result<std::string> { return MetricsJson(); };
    if (name == "metrics") make = [](const Caller&) -> Result<std::string> { return Metrics::Global().ToPrometheusText(); };
    if (name == "config.json") make = [mount](const Caller&) -> Result<std::string> { return ConfigJson(*mount); };
    if (!make) return NoSuch(name);
    return Child{Make<TextFile>(key, mount_, key, JoinPath(path(), name), 0, /*fixed=*/false, std::move(make)), kForever};
  }
  Result<std::vector<DirEntry>> List(const Scope&) override {
    std::vector<DirEntry> entries = {Entry("errors", key() + "/errors", S_IFDIR)};
    for (const char* name : {"commits.jsonl", "last_error", "io.json", "metrics", "config.json"}) {
      entries.push_back(Entry(name, key() + "/" + name, S_IFREG));
    }
    return entries;
  }
};

}  // namespace

std::string StatusKey(const Mount& mount) { return mount.options.uri + "|status"; }

NodePtr MakeStatusDirectory(const std::shared_ptr<Mount>& mount, const std::string& path) {
  const std::string key = StatusKey(*mount);
  return mount->Intern(key, [&]() -> NodePtr { return std::make_shared<StatusDirectory>(mount, key, path); });
}

}  // namespace lancefs
