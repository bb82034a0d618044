// SPDX-License-Identifier: Apache-2.0
//
// Which encodings the pages of a file version may use (docs/lance/file.md 3.9). The decoders know the
// encodings of all versions; what a version does not have is refused here, in one place.
//
// Thread safety: pure functions.
#pragma once

#include "base/status.h"
#include "engine/format/file_version.h"
#include "engine/format/proto/encodings21.pb.h"

namespace lancefs::structural {

// Deeper nesting of encodings is hostile.
inline constexpr int kMaxEncodingDepth = 8;

// The name of the encoding in a message, for error texts.
const char* EncodingName(const pb::v21::CompressiveEncoding& encoding);

// Errors: kNotSupported naming the encoding and the version, kCorruption for too deep nesting.
Status CheckGrammar(const pb::v21::PageLayout& layout, FileVersion version);

}  // namespace lancefs::structural
