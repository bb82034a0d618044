// SPDX-License-Identifier: Apache-2.0
#include "backends/dynamodb/manifest_list.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <mutex>
#include <set>

namespace lancefs {
namespace {

using nlohmann::json;

constexpr char kCommitter[] = "lancedb";  // as the reference names itself, whose table it is
// Versions from here on are detached from a table's history.
constexpr uint64_t kFirstDetached = 1ULL << 63;

json Text(const std::string& text) { return {{"S", text}}; }
json Number(uint64_t number) { return {{"N", std::to_string(number)}}; }

// Null if there is none of that name and type.
const json* Attribute(const json& item, const char* name, const char* type) {
  const auto attribute = item.find(name);
  if (attribute == item.end() || !attribute->is_object()) return nullptr;
  const auto value = attribute->find(type);
  return value != attribute->end() && value->is_string() ? &*value : nullptr;
}

bool ParseNumber(const std::string& text, uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

class DynamoDbManifestList : public ExternalManifestStore {
 public:
  DynamoDbManifestList(std::shared_ptr<DynamoDbClient> client, std::string table)
      : client_(std::move(client)), table_(std::move(table)) {}

  std::string name() const override { return "DynamoDB table " + table_; }

  Result<std::optional<Entry>> Get(const std::string& directory, uint64_t version, const OpContext& ctx) override {
    const json key = {{"base_uri", Text(directory)}, {"version", Number(version)}};
    LANCEFS_ASSIGN_OR_RETURN(const json body, Call("GetItem", {{"ConsistentRead", true}, {"Key", key}}, ctx));
    const auto item = body.find("Item");
    if (item == body.end() || !item->is_object() || item->empty()) return std::optional<Entry>();
    LANCEFS_ASSIGN_OR_RETURN(Entry entry, ParseItem(*item, directory));
    return std::optional<Entry>(std::move(entry));
  }

  Result<std::optional<Entry>> GetLatest(const std::string& directory, const OpContext& ctx) override {
    const json query = {{"ConsistentRead", true},
                        {"KeyConditionExpression", "base_uri = :base_uri AND version < :detached"},
                        {"ExpressionAttributeValues", {{":base_uri", Text(directory)}, {":detached", Number(kFirstDetached)}}},
                        {"ScanIndexForward", false},
                        {"Limit", 1}};
    LANCEFS_ASSIGN_OR_RETURN(const json body, Call("Query", query, ctx));
    const auto items = body.find("Items");
    if (items == body.end() || !items->is_array()) return Status::IoError(name() + ": the answer to a query has no items");
    if (items->empty()) return std::optional<Entry>();
    LANCEFS_ASSIGN_OR_RETURN(Entry entry, ParseItem((*items)[0], directory));
    return std::optional<Entry>(std::move(entry));
  }

  Result<PutOutcome> PutIfAbsent(const std::string& directory, const Entry& entry, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const bool put,
                             Put(directory, entry, "attribute_not_exists(base_uri) AND attribute_not_exists(version)", ctx));
    return put ? PutOutcome::kCreated : PutOutcome::kAlreadyExists;
  }

  Status PutIfPresent(const std::string& directory, const Entry& entry, const OpContext& ctx) override {
    LANCEFS_ASSIGN_OR_RETURN(const bool put,
                             Put(directory, entry, "attribute_exists(base_uri) AND attribute_exists(version)", ctx));
    if (put) return Status::OK();
    return Status::NotFound(name() + " has no version " + std::to_string(entry.version) + " of " + directory);
  }

 private:
  // False when the condition does not hold.
  Result<bool> Put(const std::string& directory, const Entry& entry, const char* condition, const OpContext& ctx) {
    json item = {{"base_uri", Text(directory)},
                 {"version", Number(entry.version)},
                 {"path", Text(entry.path)},
                 {"committer", Text(kCommitter)}};
    if (entry.size) item["size"] = Number(*entry.size);
    LANCEFS_RETURN_NOT_OK(CheckTable(ctx));
    const json request = {{"TableName", table_}, {"Item", std::move(item)}, {"ConditionExpression", condition}};
    LANCEFS_ASSIGN_OR_RETURN(const DynamoDbClient::Answer answer, client_->Call("PutItem", request, ctx));
    if (answer.ok) return true;
    if (answer.error == "ConditionalCheckFailedException") return false;
    return DynamoDbClient::ErrorFrom(answer, name() + ": PutItem");
  }

  Result<json> Call(const char* operation, json request, const OpContext& ctx) {
    LANCEFS_RETURN_NOT_OK(CheckTable(ctx));
    request["TableName"] = table_;
    LANCEFS_ASSIGN_OR_RETURN(DynamoDbClient::Answer answer, client_->Call(operation, request, ctx));
    if (answer.ok) return std::move(answer.body);
    const Status error = DynamoDbClient::ErrorFrom(answer, name() + ": " + operation);
    // "Not found" would read as "no such version".
    return error.Is(StatusCode::kNotFound) ? Status::InvalidArgument(error.message()) : error;
  }

  Result<Entry> ParseItem(const json& item, const std::string& directory) const {
    const std::string where = name() + ", an item of " + directory;
    if (!item.is_object()) return Status::Corruption(where + ": not an object");
    const json* version = Attribute(item, "version", "N");
    const json* path = Attribute(item, "path", "S");
    Entry entry;
    if (version == nullptr || !ParseNumber(version->get<std::string>(), &entry.version))
      return Status::Corruption(where + ": it has no number 'version'");
    if (path == nullptr || path->get_ref<const std::string&>().empty())
      return Status::Corruption(where + ", version " + std::to_string(entry.version) + ": it has no text 'path'");
    entry.path = path->get<std::string>();
    if (!item.contains("size")) return entry;
    const json* size = Attribute(item, "size", "N");
    uint64_t bytes = 0;
    if (size == nullptr || !ParseNumber(size->get<std::string>(), &bytes))
      return Status::Corruption(where + ", version " + std::to_string(entry.version) + ": its 'size' is no number");
    entry.size = bytes;
    return entry;
  }

  // Once a process for each table: that its keys are what the protocol needs.
  Status CheckTable(const OpContext& ctx) {
    static std::mutex mutex;
    static auto* checked = new std::set<std::string>;
    const std::string id = client_->endpoint() + " " + table_;
    {
      std::lock_guard lock(mutex);
      if (checked->contains(id)) return Status::OK();
    }
    LANCEFS_ASSIGN_OR_RETURN(const DynamoDbClient::Answer answer, client_->Call("DescribeTable", {{"TableName", table_}}, ctx));
    if (!answer.ok) {
      if (answer.error == "ResourceNotFoundException")
        return Status::InvalidArgument("there is no " + name() + " at " + client_->endpoint());
      return DynamoDbClient::ErrorFrom(answer, name() + ": DescribeTable");
    }
    LANCEFS_RETURN_NOT_OK(CheckKeys(answer.body));
    std::lock_guard lock(mutex);
    checked->insert(id);
    return Status::OK();
  }

  Status CheckKeys(const json& body) const {
    const Status wrong = Status::InvalidArgument(
        name() + " must have the hash key 'base_uri' (text) and the range key 'version' " + "(number), and no other keys");
    const auto table = body.find("Table");
    if (table == body.end() || !table->is_object()) return wrong;
    const auto keys = table->find("KeySchema");
    if (keys == table->end() || !keys->is_array() || keys->size() != 2) return wrong;
    for (const json& key : *keys) {
      if (!key.is_object()) return wrong;
      const bool hash = key.value("KeyType", json()) == "HASH";
      if (key.value("AttributeName", json()) != (hash ? "base_uri" : "version")) return wrong;
    }
    if ((*keys)[0].value("KeyType", json()) == (*keys)[1].value("KeyType", json())) return wrong;
    const auto types = table->find("AttributeDefinitions");
    if (types == table->end() || !types->is_array()) return Status::OK();
    for (const json& type : *types) {
      if (!type.is_object()) return wrong;
      const json attribute = type.value("AttributeName", json());
      const json kind = type.value("AttributeType", json());
      if ((attribute == "base_uri" && kind != "S") || (attribute == "version" && kind != "N")) return wrong;
    }
    return Status::OK();
  }

  const std::shared_ptr<DynamoDbClient> client_;
  const std::string table_;
};

}  // namespace

std::shared_ptr<ExternalManifestStore> MakeDynamoDbManifestList(std::shared_ptr<DynamoDbClient> client, std::string table) {
  return std::make_shared<DynamoDbManifestList>(std::move(client), std::move(table));
}

Result<std::string> ParseManifestTable(const std::string& query) {
  std::optional<std::string> table;
  size_t start = 0;
  while (start <= query.size()) {
    const size_t end = std::min(query.find('&', start), query.size());
    const std::string pair = query.substr(start, end - start);
    start = end + 1;
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    if (table || pair.substr(0, equals) != "ddbTableName")
      return Status::InvalidArgument("an s3+ddb:// URI has exactly one query, ?ddbTableName=TABLE");
    table = equals < pair.size() ? pair.substr(equals + 1) : "";
  }
  if (!table || table->empty()) return Status::InvalidArgument("an s3+ddb:// URI must name its table: ?ddbTableName=TABLE");
  const bool valid = table->size() <= 255 && std::all_of(table->begin(), table->end(), [](unsigned char c) {
                       return std::isalnum(c) || c == '_' || c == '-' || c == '.';
                     });
  if (!valid) return Status::InvalidArgument("'" + *table + "' is no name of a DynamoDB table");
  return *table;
}

}  // namespace lancefs
