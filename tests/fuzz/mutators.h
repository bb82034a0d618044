// SPDX-License-Identifier: Apache-2.0
//
// Changes that keep the outside of a Lance file intact, so that what stands inside is reached: a page's bytes, one number of its
// encoding, a length, a field's type. Bytes changed blindly are mostly stopped by the footer.
//
// Thread safety: free functions; a Random belongs to one thread.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace lancefs {

using Random = std::mt19937_64;
inline size_t Below(Random& random, size_t limit) { return limit == 0 ? 0 : random() % limit; }

// Changes bytes in place, possibly their number.
using ByteMutator = std::function<void(std::string*)>;

// A blind change of the kinds that parsers get wrong: bits, borders of integers, cuts, parts moved or taken from `other`.
void MutateBytes(std::string* bytes, std::string_view other, Random& random);

// Changes one field somewhere in `message`: a number, a text, a part that is dropped, doubled, or copied from elsewhere in it.
void MutateMessage(google::protobuf::Message* message, const ByteMutator& mutate_bytes, Random& random);

// A data file (0.1 excepted) with one change inside. Nothing if `file` is no such file.
std::optional<std::string> MutateDataFile(std::string_view file, const ByteMutator& mutate_bytes, Random& random);

// A manifest file with one change inside. Nothing if `file` is no manifest.
std::optional<std::string> MutateManifestFile(std::string_view file, const ByteMutator& mutate_bytes, Random& random);

}  // namespace lancefs
