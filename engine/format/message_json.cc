// SPDX-License-Identifier: Apache-2.0
#include "engine/format/message_json.h"

#include <google/protobuf/descriptor.h>

#include <memory>
#include <utility>

namespace lancefs {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kMaxDepth = 64;

Json ToJson(const google::protobuf::Message& message, int depth);

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
      return field->type() == Type::TYPE_BYTES ? HexText(text) : text;
    }
    case Type::CPPTYPE_MESSAGE:
      return ToJson(repeated ? r.GetRepeatedMessage(message, field, index) : r.GetMessage(message, field), depth + 1);
  }
  return Json();
}

Json ToJson(const google::protobuf::Message& message, int depth) {
  Json json = Json::object();
  if (depth > kMaxDepth) return json;
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

// The package that has the format's messages of that name.
std::string OwnName(std::string_view type) {
  static constexpr std::pair<std::string_view, std::string_view> kPackages[] = {
      {"lance.encodings.", "lancefs.pb.v20."},
      {"lance.encodings21.", "lancefs.pb.v21."},
      {"lance.encodings23.", "lancefs.pb.v23."},
  };
  for (const auto& [theirs, ours] : kPackages) {
    if (type.starts_with(theirs)) return std::string(ours).append(type.substr(theirs.size()));
  }
  return "";
}

}  // namespace

std::string HexText(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    const auto c = static_cast<unsigned char>(byte);
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

Json MessageJson(const google::protobuf::Message& message) { return ToJson(message, 0); }

std::optional<Json> AnyJson(std::string_view type_url, const std::string& bytes) {
  const std::string name = OwnName(type_url.substr(type_url.rfind('/') + 1));
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  if (descriptor == nullptr) return std::nullopt;
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  if (bytes.size() > INT32_MAX || !message->ParseFromString(bytes)) return std::nullopt;
  return MessageJson(*message);
}

}  // namespace lancefs
