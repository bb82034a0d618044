// SPDX-License-Identifier: Apache-2.0
#include "engine/format/transaction_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>

namespace lancefs {
namespace {

using Json = nlohmann::ordered_json;

std::string Hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char c : bytes) {
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

Json MessageJson(const google::protobuf::Message& message, int depth);

Json ScalarJson(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field, int index, int depth) {
  using Type = google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& r = *message.GetReflection();
  const bool repeated = index >= 0;
  switch (field->cpp_type()) {
    case Type::CPPTYPE_INT32: return repeated ? r.GetRepeatedInt32(message, field, index) : r.GetInt32(message, field);
    case Type::CPPTYPE_INT64: return repeated ? r.GetRepeatedInt64(message, field, index) : r.GetInt64(message, field);
    case Type::CPPTYPE_UINT32: return repeated ? r.GetRepeatedUInt32(message, field, index) : r.GetUInt32(message, field);
    case Type::CPPTYPE_UINT64: return repeated ? r.GetRepeatedUInt64(message, field, index) : r.GetUInt64(message, field);
    case Type::CPPTYPE_DOUBLE: return repeated ? r.GetRepeatedDouble(message, field, index) : r.GetDouble(message, field);
    case Type::CPPTYPE_FLOAT: return repeated ? r.GetRepeatedFloat(message, field, index) : r.GetFloat(message, field);
    case Type::CPPTYPE_BOOL: return repeated ? r.GetRepeatedBool(message, field, index) : r.GetBool(message, field);
    case Type::CPPTYPE_ENUM: return (repeated ? r.GetRepeatedEnum(message, field, index) : r.GetEnum(message, field))->name();
    case Type::CPPTYPE_STRING: {
      const std::string text = repeated ? r.GetRepeatedString(message, field, index) : r.GetString(message, field);
      return field->type() == Type::TYPE_BYTES ? Hex(text) : text;
    }
    case Type::CPPTYPE_MESSAGE:
      return MessageJson(repeated ? r.GetRepeatedMessage(message, field, index) : r.GetMessage(message, field), depth + 1);
  }
  return Json();
}

// Every field that is set; bytes in hex.
Json MessageJson(const google::protobuf::Message& message, int depth) {
  Json json = Json::object();
  if (depth > 32) return json;
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (!field->is_repeated()) {
      json[field->name()] = ScalarJson(message, field, -1, depth);
      continue;
    }
    Json list = Json::array();
    const int count = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < count; ++i) list.push_back(ScalarJson(message, field, i, depth));
    json[field->name()] = std::move(list);
  }
  return json;
}

}  // namespace

std::string TransactionJson(const pb::Transaction& transaction) {
  Json json = MessageJson(transaction, 0);
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  transaction.GetReflection()->ListFields(transaction, &fields);
  for (const auto* field : fields) {
    if (field->containing_oneof() != nullptr && field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      json["operation"] = field->name();
    }
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lancefs
