// SPDX-License-Identifier: Apache-2.0
#include "backends/cloud/xml_copy.h"

namespace lancefs {

Status CopyByHeader(CloudClient* client, const std::string& from, const std::string& to, HttpHeaders headers,
                    const OpContext& ctx) {
  CloudRequest request{RequestKind::kPut, HttpMethod::kPut, to};
  request.headers = std::move(headers);
  request.error_in_success = true;
  LANCEFS_ASSIGN_OR_RETURN(const CloudResponse response, client->ExecuteAndWait(std::move(request), ctx));
  // A copy may fail after the answer has begun: then an error document comes with status 200.
  const bool copied = response.http.ok() && client->ParseError(response.http).code.empty();
  return copied ? Status::OK() : client->ErrorFrom(response, "copy", from);
}

}  // namespace lancefs
