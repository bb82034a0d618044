// SPDX-License-Identifier: Apache-2.0
#include "engine/format/transaction_json.h"

#include <google/protobuf/descriptor.h>

#include "engine/format/message_json.h"

namespace lancefs {

std::string TransactionJson(const pb::Transaction& transaction) {
  nlohmann::ordered_json json = MessageJson(transaction);
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  transaction.GetReflection()->ListFields(transaction, &fields);
  for (const auto* field : fields) {
    if (field->containing_oneof() != nullptr && field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      json["operation"] = field->name();
    }
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace lancefs
