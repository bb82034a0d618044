// SPDX-License-Identifier: Apache-2.0
//
// Copies that S3 and GCS make themselves.
//
// Thread safety: functions without state of their own.
#pragma once

#include <string>

#include "backends/cloud/cloud_client.h"
#include "base/status.h"

namespace lancefs {

// A PUT whose headers name the source. Errors: kNotFound (no `from`), and what the client says.
Status CopyByHeader(CloudClient* client, const std::string& from, const std::string& to, HttpHeaders headers,
                    const OpContext& ctx);

}  // namespace lancefs
