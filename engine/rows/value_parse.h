// SPDX-License-Identifier: Apache-2.0
//
// Text to values: what the cells of JSON and CSV are turned into, exactly or not at all. The spelling accepted is the
// canonical form (docs/formats.md) plus what common tools write.
//
// Thread safety: free functions without state.
#pragma once

#include <arrow/type.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace lancefs::rows {

// Why a value was refused; the text is made where the place is known.
enum class Fault : uint8_t {
  kNone = 0,
  kType,       // "abc" is not a double
  kRange,      // 300 is out of range for int8
  kPrecision,  // "1.234" does not fit decimal(4, 2) without loss
  kNull,       // null in a non-nullable column
  kLength,     // a list or binary of another length than the type's
  kUtf8,       // not UTF-8
  kOther,      // the reason is given as text
};

// Integers: an optional minus ('+' too if `plus`), digits. `zeros`: leading zeros are fine (CSV, not JSON).
Fault ParseInt64(const char* begin, const char* end, bool lenient, int64_t* out);
Fault ParseUint64(const char* begin, const char* end, bool lenient, uint64_t* out);
// A decimal number; `lenient` also takes "+1", ".5", "5.", nan and inf in any case. Overflow is kRange.
Fault ParseDouble(const char* begin, const char* end, bool lenient, double* out);
// As ParseDouble with the result rounded to float at once (not by way of a double).
Fault ParseFloat(const char* begin, const char* end, bool lenient, float* out);
// IEEE half bits, kRange when beyond 65504.
Fault HalfFromDouble(double value, uint16_t* out);
// The upper half of a float, rounded to even.
uint16_t BFloat16FromFloat(float value);

// "2020-01-31", or with a sign and more digits. Days since 1970.
Fault ParseDate(std::string_view text, int64_t* days);
// "hh:mm:ss[.fraction]", in units of `unit` since midnight.
Fault ParseTime(std::string_view text, arrow::TimeUnit::type unit, int64_t* out);
// "2020-01-31Thh:mm:ss[.fraction][Z]"; `zoned` also takes an offset such as +02:00.
Fault ParseTimestamp(std::string_view text, arrow::TimeUnit::type unit, bool zoned, int64_t* out);
// Unscaled little-endian value of `width` bytes (4, 8, 16, 32).
Fault ParseDecimal(std::string_view text, int32_t precision, int32_t scale, int32_t width, uint8_t* out);
// Standard base64 with padding; `out` has room for 3 * (size / 4) bytes.
Fault ParseBase64(std::string_view text, uint8_t* out, size_t* out_size);
// The 36-character form; `out` has room for 16 bytes.
Fault ParseUuid(std::string_view text, uint8_t* out);

// At most about 80 bytes of `value` for a message: valid UTF-8, control characters and other bytes as \xNN.
std::string Shorten(std::string_view value);

}  // namespace lancefs::rows
