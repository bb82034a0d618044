// SPDX-License-Identifier: Apache-2.0
#include "engine/write/refs.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "engine/sql/temporal.h"

namespace lancefs {
namespace {

std::string NowText() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  return sql::FormatTimestamp(ns, arrow::TimeUnit::NANO, "Z");
}

// An answer that was lost says nothing: the object itself does.
Result<PutOutcome> PutTag(ObjectStore& store, const std::string& path, const std::string& text, const OpContext& ctx) {
  Result<PutOutcome> put = store.PutIfAbsent(path, Bytes::FromString(text), ctx);
  if (put.ok() || !(put.status().Is(StatusCode::kUnknownOutcome) || put.status().Is(StatusCode::kUnavailable))) return put;
  const Result<Bytes> there = store.ReadAll(path, ctx);
  if (!there.ok()) return there.status().Is(StatusCode::kNotFound) ? put : Result<PutOutcome>(there.status());
  return there->view() == text ? PutOutcome::kCreated : PutOutcome::kAlreadyExists;  // the times in it make it ours
}

}  // namespace

Status CheckTagName(std::string_view name) {
  auto bad = [name](const char* why) {
    return Status::InvalidArgument("'" + std::string(name) + "' is no name of a tag: " + why);
  };
  if (name.empty()) return bad("it is empty");
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
  if (!plain) return bad("only letters, digits, '.', '-' and '_' may be in it");
  if (name.front() == '.' || name.back() == '.') return bad("it begins or ends with '.'");
  if (name.find("..") != std::string_view::npos) return bad("it has '..'");
  if (name.ends_with(".lock")) return bad("it ends with '.lock'");
  return Status::OK();
}

Status CreateTag(const Dataset& dataset, const std::string& name, const OpContext& ctx) {
  LANCEFS_RETURN_NOT_OK(CheckTagName(name));
  const std::string manifest = dataset.ObjectPath("_versions/" + ManifestName(dataset.version(), dataset.naming()));
  LANCEFS_ASSIGN_OR_RETURN(const std::optional<ObjectMeta> meta, dataset.store()->Head(manifest, ctx));
  if (!meta) return Status::NotFound("version " + std::to_string(dataset.version()) + " is gone");
  nlohmann::ordered_json json;
  json["branch"] = dataset.branch().empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(dataset.branch());
  json["version"] = dataset.version();
  json["createdAt"] = json["updatedAt"] = NowText();
  json["manifestSize"] = meta->size;
  json["metadata"] = nlohmann::ordered_json::object();
  const std::string path = (dataset.root().empty() ? "" : dataset.root() + "/") + "_refs/tags/" + name + ".json";
  LANCEFS_ASSIGN_OR_RETURN(const PutOutcome outcome, PutTag(*dataset.store(), path, json.dump(2), ctx));
  if (outcome == PutOutcome::kAlreadyExists) return Status::AlreadyExists("there is a tag '" + name + "' already");
  return Status::OK();
}

}  // namespace lancefs
