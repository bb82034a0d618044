// SPDX-License-Identifier: Apache-2.0
//
// Layout, all integers big-endian: a container is a header (3 bits kind, 29 bits count), then one 32-bit entry an item
// (4 bits type, 28 bits length; objects: first all keys, then all values), then the items' bytes. A scalar document is a
// container of kind scalar with one entry.
#include "engine/rows/jsonb.h"

#include <arrow/util/decimal.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/rows/number_format.h"
#include "engine/rows/text_escape.h"

namespace lancefs {
namespace {

constexpr int kMaxDepth = 512;
constexpr uint32_t kKindMask = 0xE0000000, kCountMask = 0x1FFFFFFF;
constexpr uint32_t kArray = 0x80000000, kObject = 0x40000000, kScalar = 0x20000000;
constexpr uint32_t kTypeMask = 0x70000000, kLengthMask = 0x0FFFFFFF;

uint64_t BigEndian(std::span<const uint8_t> bytes) {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}
int64_t SignedBigEndian(std::span<const uint8_t> bytes) {
  const int shift = 64 - 8 * static_cast<int>(bytes.size());
  return static_cast<int64_t>(BigEndian(bytes) << shift) >> shift;
}
// 10^n by squaring, in the order of the reference's powi, so that the last bit agrees.
double PowerOfTen(int n) {
  double result = 1, base = 10;
  for (;; base *= base) {
    if ((n & 1) != 0) result *= base;
    n /= 2;
    if (n == 0) return result;
  }
}
bool IsIntegerWidth(size_t n) { return n == 1 || n == 2 || n == 4 || n == 8; }

class JsonbPrinter {
 public:
  JsonbPrinter(std::span<const uint8_t> bytes, std::string* out) : base_(bytes.data()), out_(out) {}

  Status Container(std::span<const uint8_t> bytes, int depth) {
    if (depth > kMaxDepth) return Bad(bytes, "nested too deeply");
    if (bytes.size() < 4) return Bad(bytes, "a container header is cut off");
    const auto header = static_cast<uint32_t>(BigEndian(bytes.first(4)));
    const size_t count = header & kCountMask;
    switch (header & kKindMask) {
      case kScalar: return Items(bytes, 1, depth, Kind::kScalar);
      case kArray: return Items(bytes, count, depth, Kind::kArray);
      case kObject: return Items(bytes, count, depth, Kind::kObject);
      default: return Bad(bytes, "unknown kind of container");
    }
  }

 private:
  enum class Kind { kScalar, kArray, kObject };

  Status Items(std::span<const uint8_t> bytes, size_t count, int depth, Kind kind) {
    const size_t entries = kind == Kind::kObject ? 2 * count : count;
    if ((bytes.size() - 4) / 4 < entries) return Bad(bytes, "entries are cut off");
    auto entry = [&](size_t i) { return static_cast<uint32_t>(BigEndian(bytes.subspan(4 + 4 * i, 4))); };
    size_t key_at = 4 + 4 * entries, value_at = key_at;
    if (kind == Kind::kObject) {
      for (size_t i = 0; i < count; ++i) value_at += entry(i) & kLengthMask;
    }
    if (kind != Kind::kScalar) out_->push_back(kind == Kind::kArray ? '[' : '{');
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out_->push_back(',');
      if (kind == Kind::kObject) {
        if ((entry(i) & kTypeMask) != 0x10000000) return Bad(bytes, "a key is no string");
        LANCEFS_ASSIGN_OR_RETURN(const auto key, Slice(bytes, &key_at, entry(i)));
        String(key);
        out_->push_back(':');
      }
      const uint32_t e = entry(kind == Kind::kObject ? count + i : i);
      LANCEFS_ASSIGN_OR_RETURN(const auto value, Slice(bytes, &value_at, e));
      LANCEFS_RETURN_NOT_OK(Value(e & kTypeMask, value, depth, kind == Kind::kScalar));
    }
    if (kind != Kind::kScalar) out_->push_back(kind == Kind::kArray ? ']' : '}');
    return Status::OK();
  }

  Result<std::span<const uint8_t>> Slice(std::span<const uint8_t> bytes, size_t* at, uint32_t entry) {
    const size_t length = entry & kLengthMask;
    if (*at > bytes.size() || length > bytes.size() - *at) return Bad(bytes, "an item is cut off");
    const auto out = bytes.subspan(*at, length);
    *at += length;
    return out;
  }

  Status Value(uint32_t type, std::span<const uint8_t> bytes, int depth, bool scalar) {
    switch (type >> 28) {
      case 0: out_->append("null"); return Status::OK();
      case 1: String(bytes); return Status::OK();
      case 2: return Number(bytes);
      case 3: out_->append("false"); return Status::OK();
      case 4: out_->append("true"); return Status::OK();
      case 5: return scalar ? Bad(bytes, "a container as a scalar") : Container(bytes, depth + 1);
      case 6: return Extension(bytes);
      default: return Bad(bytes, "unknown type of item");
    }
  }

  void String(std::span<const uint8_t> bytes) {
    out_->push_back('"');
    size_t at = 0;
    while (at < bytes.size()) {
      char block[6 * 256 + 16];
      const size_t n = std::min<size_t>(256, bytes.size() - at);
      out_->append(block, EscapeJsonPiece(block, reinterpret_cast<const char*>(bytes.data()) + at, n, kJsonEscapes) - block);
      at += n;
    }
    out_->push_back('"');
  }

  void Double(double value) {
    char text[kMaxDoubleText];
    if (!std::isfinite(value)) {
      out_->append("null");  // as serde_json writes them
    } else {
      out_->append(text, WriteDocumentDouble(text, value) - text);
    }
  }

  Status Number(std::span<const uint8_t> bytes) {
    if (bytes.empty()) return Bad(bytes, "an empty number");
    const auto rest = bytes.subspan(1);
    char text[kMaxIntegerText + 1];
    switch (bytes[0]) {
      case 0x00: out_->push_back('0'); return Status::OK();
      case 0x10:
      case 0x20:
      case 0x30: out_->append("null"); return Status::OK();
      case 0x40:
        if (!IsIntegerWidth(rest.size())) return Bad(bytes, "an integer of odd width");
        out_->append(text, WriteInt(text, SignedBigEndian(rest)) - text);
        return Status::OK();
      case 0x50:
        if (!IsIntegerWidth(rest.size())) return Bad(bytes, "an integer of odd width");
        out_->append(text, WriteUInt(text, BigEndian(rest)) - text);
        return Status::OK();
      case 0x60:
        if (rest.size() != 8) return Bad(bytes, "a float of odd width");
        Double(std::bit_cast<double>(BigEndian(rest)));
        return Status::OK();
      case 0x70: return Decimal(bytes, rest);
      default: return Bad(bytes, "unknown kind of number");
    }
  }

  // Value of 8, 16 or 32 bytes, then (in old data) the precision, then the scale; printed as a double, like the reference.
  Status Decimal(std::span<const uint8_t> bytes, std::span<const uint8_t> rest) {
    const size_t n = rest.size();
    const int scale = n == 0 ? 0 : rest[n - 1];
    if (n == 9) {
      Double(static_cast<double>(SignedBigEndian(rest.first(8))) / PowerOfTen(scale));
    } else if (n == 17 || n == 18) {
      const auto value =
          static_cast<__int128>(static_cast<unsigned __int128>(BigEndian(rest.first(8))) << 64 | BigEndian(rest.subspan(8, 8)));
      Double(static_cast<double>(value) / PowerOfTen(scale));
    } else if (n == 33 || n == 34) {
      auto value = arrow::Decimal256::FromBigEndian(rest.data(), 32);
      if (!value.ok()) return Bad(bytes, "a decimal out of range");
      Double(value->ToDouble(0) / PowerOfTen(scale));
    } else {
      return Bad(bytes, "a decimal of odd width");
    }
    return Status::OK();
  }

  Status Extension(std::span<const uint8_t> bytes) {
    if (bytes.empty()) return Bad(bytes, "an empty extension");
    const auto rest = bytes.subspan(1);
    std::string text;
    const size_t n = rest.size();
    if (bytes[0] == 0x00) {
      Hex(rest, &text);
    } else if (bytes[0] == 0x10 && n == 4) {
      char date[kMaxDateText];
      text.assign(date, WriteDate(date, SignedBigEndian(rest)) - date);
    } else if (bytes[0] == 0x20 && n == 8) {
      Timestamp(SignedBigEndian(rest), &text);
    } else if (bytes[0] == 0x30 && (n == 9 || n == 12)) {
      const int64_t offset = n == 9 ? SignedBigEndian(rest.subspan(8)) * 3600 : SignedBigEndian(rest.subspan(8));
      Zoned(SignedBigEndian(rest.first(8)), offset, &text);
    } else if (bytes[0] == 0x40 && n == 16) {
      Interval(SignedBigEndian(rest.first(4)), SignedBigEndian(rest.subspan(4, 4)), SignedBigEndian(rest.subspan(8)), &text);
    } else {
      return Bad(bytes, "unknown extension value");
    }
    String({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    return Status::OK();
  }

  static void Hex(std::span<const uint8_t> bytes, std::string* text) {
    for (const uint8_t byte : bytes) {
      text->push_back("0123456789ABCDEF"[byte >> 4]);
      text->push_back("0123456789ABCDEF"[byte & 15]);
    }
  }
  static void Timestamp(int64_t micros, std::string* text) {
    char buffer[kMaxTimestampText];
    text->assign(buffer, WriteTimestamp<6>(buffer, micros) - buffer);
    (*text)[text->find('T')] = ' ';
  }
  static void Zoned(int64_t micros, int64_t offset, std::string* text) {
    Timestamp(static_cast<int64_t>(static_cast<uint64_t>(micros) + static_cast<uint64_t>(offset) * 1000000), text);
    const int64_t minutes = (offset < 0 ? -offset : offset) / 60;
    char zone[kMaxIntegerText + 8];
    char* p = zone;
    *p++ = ' ';
    *p++ = offset < 0 ? '-' : '+';
    p = WritePadded(p, static_cast<uint64_t>(minutes / 60), 2);
    p = WritePadded(p, static_cast<uint64_t>(minutes % 60), 2);
    text->append(zone, p - zone);
  }
  static void Interval(int64_t months, int64_t days, int64_t micros, std::string* text) {
    auto part = [text](int64_t value, const char* unit) {
      if (value == 0) return;
      if (!text->empty()) text->push_back(' ');
      text->append(std::to_string(value)).append(" ").append(unit);
      if (value != 1 && value != -1) text->push_back('s');
    };
    part(months / 12, "year");
    part(months % 12, "month");
    part(days, "day");
    if (micros == 0 && !text->empty()) return;
    if (!text->empty()) text->push_back(' ');
    uint64_t rest = static_cast<uint64_t>(micros);
    if (micros < 0) {
      text->push_back('-');
      rest = 0 - rest;
    }
    char time[kMaxTimeText + 8];
    char* p = WritePadded(time, rest / 3600000000u, 2);
    *p++ = ':';
    p = WriteTwo(p, static_cast<uint32_t>(rest / 60000000 % 60));
    *p++ = ':';
    p = WriteTwo(p, static_cast<uint32_t>(rest / 1000000 % 60));
    if (rest % 1000000 != 0) p = WriteFraction<6>(p, static_cast<uint32_t>(rest % 1000000));
    text->append(time, p - time);
  }

  Status Bad(std::span<const uint8_t> bytes, const char* what) const {
    return Status::Corruption("binary JSON is damaged at byte " + std::to_string(bytes.data() - base_) + ": " + what);
  }

  const uint8_t* const base_;
  std::string* const out_;
};

}  // namespace

Status AppendJsonbText(std::span<const uint8_t> bytes, std::string* out) {
  if (bytes.empty()) {
    out->append("null");
    return Status::OK();
  }
  if (bytes.size() >= 4) {
    const auto kind = static_cast<uint32_t>(BigEndian(bytes.first(4))) & kKindMask;
    if (kind == kArray || kind == kObject || kind == kScalar) {
      const size_t start = out->size();
      Status status = JsonbPrinter(bytes, out).Container(bytes, 0);
      // A first byte with count bits would mean more than 16 million items: rather text, as '[' or a digit.
      if (status.ok() || (bytes[0] & 0x1f) == 0) return status;
      out->resize(start);
    }
  }
  out->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return Status::OK();
}

}  // namespace lancefs
