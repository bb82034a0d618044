// SPDX-License-Identifier: Apache-2.0
//
// The binary JSON that columns of extension lance.json store, as compact JSON text (as the reference prints it).
//
// Thread safety: pure function.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"

namespace lancefs {

// Appends the JSON text of `bytes` to `out`. No bytes at all are `null`; bytes that do not begin like binary JSON are taken
// as text, as the reference does. Errors: kCorruption with the byte offset.
Status AppendJsonbText(std::span<const uint8_t> bytes, std::string* out);

}  // namespace lancefs
