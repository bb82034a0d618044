// SPDX-License-Identifier: Apache-2.0
//
// Layout, all integers big-endian: a container is a header (3 bits kind, 29 bits count), then one 32-bit entry an item
// (4 bits type, 28 bits length; objects: first all keys, then all values), then the items' bytes. A scalar document is a
// container of kind scalar with one entry.
#include "engine/rows/jsonb.h"

#include <arrow/util/decimal.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>

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
void AppendBigEndian(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
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

// Value of 8, 16 or 32 bytes, then (in old data) the precision, then the scale; taken as a double, like the reference.
std::optional<double> DecimalValue(std::span<const uint8_t> rest) {
  const size_t n = rest.size();
  const int scale = n == 0 ? 0 : rest[n - 1];
  if (n == 9) return static_cast<double>(SignedBigEndian(rest.first(8))) / PowerOfTen(scale);
  if (n == 17 || n == 18) {
    const auto value =
        static_cast<__int128>(static_cast<unsigned __int128>(BigEndian(rest.first(8))) << 64 | BigEndian(rest.subspan(8, 8)));
    return static_cast<double>(value) / PowerOfTen(scale);
  }
  if (n != 33 && n != 34) return std::nullopt;
  const auto value = arrow::Decimal256::FromBigEndian(rest.data(), 32);
  if (!value.ok()) return std::nullopt;
  return value->ToDouble(0) / PowerOfTen(scale);
}

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

  Status Item(const JsonbItem& item) { return Value(static_cast<uint32_t>(item.type) << 28, item.bytes, 0, false); }

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

  Status Decimal(std::span<const uint8_t> bytes, std::span<const uint8_t> rest) {
    const std::optional<double> value = DecimalValue(rest);
    if (!value) return Bad(bytes, "a decimal of odd width");
    Double(*value);
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

Status Damaged(const char* what) { return Status::Corruption(std::string("binary JSON is damaged: ") + what); }

// The entries of a container: `count` items, or keys and then values.
class Entries {
 public:
  static Result<Entries> Make(std::span<const uint8_t> bytes, bool object) {
    if (bytes.size() < 4) return Damaged("a container header is cut off");
    Entries entries;
    entries.bytes_ = bytes;
    entries.count_ = static_cast<uint32_t>(BigEndian(bytes.first(4))) & kCountMask;
    const size_t all = object ? 2 * entries.count_ : entries.count_;
    if ((bytes.size() - 4) / 4 < all) return Damaged("entries are cut off");
    entries.next_ = 4 + 4 * all;
    return entries;
  }
  size_t count() const { return count_; }
  // The item of entry `index`. REQUIRES: called for every entry in turn.
  Result<JsonbItem> Next(size_t index) {
    const auto entry = static_cast<uint32_t>(BigEndian(bytes_.subspan(4 + 4 * index, 4)));
    const size_t length = entry & kLengthMask;
    if (length > bytes_.size() - next_) return Damaged("an item is cut off");
    JsonbItem item{static_cast<JsonbType>((entry & kTypeMask) >> 28), bytes_.subspan(next_, length)};
    if (item.type > JsonbType::kExtension) return Damaged("unknown type of item");
    if (item.type == JsonbType::kContainer && length < 4) return Damaged("a container header is cut off");
    next_ += length;
    return item;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t count_ = 0;
  size_t next_ = 0;
};

}  // namespace

Result<JsonbItem> JsonbRoot(std::span<const uint8_t> bytes) {
  if (bytes.size() < 4) return Damaged("a container header is cut off");
  const auto header = static_cast<uint32_t>(BigEndian(bytes.first(4)));
  switch (header & kKindMask) {
    case kArray:
    case kObject: return JsonbItem{JsonbType::kContainer, bytes};
    case kScalar: {
      if (bytes.size() < 8) return Damaged("entries are cut off");
      const auto entry = static_cast<uint32_t>(BigEndian(bytes.subspan(4, 4)));
      const size_t length = entry & kLengthMask;
      if (length > bytes.size() - 8) return Damaged("an item is cut off");
      const auto type = static_cast<JsonbType>((entry & kTypeMask) >> 28);
      if (type >= JsonbType::kContainer && type != JsonbType::kExtension) return Damaged("a container as a scalar");
      return JsonbItem{type, bytes.subspan(8, length)};
    }
    default: return Damaged("unknown kind of container");
  }
}

Result<std::vector<JsonbItem>> JsonbElements(const JsonbItem& array) {
  LANCEFS_ASSIGN_OR_RETURN(Entries entries, Entries::Make(array.bytes, false));
  std::vector<JsonbItem> items;
  items.reserve(entries.count());
  for (size_t i = 0; i < entries.count(); ++i) {
    LANCEFS_ASSIGN_OR_RETURN(JsonbItem item, entries.Next(i));
    items.push_back(item);
  }
  return items;
}

Result<std::vector<std::pair<std::string_view, JsonbItem>>> JsonbMembers(const JsonbItem& object) {
  LANCEFS_ASSIGN_OR_RETURN(Entries entries, Entries::Make(object.bytes, true));
  std::vector<std::pair<std::string_view, JsonbItem>> members(entries.count());
  for (size_t i = 0; i < members.size(); ++i) {
    LANCEFS_ASSIGN_OR_RETURN(const JsonbItem key, entries.Next(i));
    if (key.type != JsonbType::kString) return Damaged("a key is no string");
    members[i].first = key.text();
  }
  for (size_t i = 0; i < members.size(); ++i) {
    LANCEFS_ASSIGN_OR_RETURN(members[i].second, entries.Next(members.size() + i));
  }
  return members;
}

Result<std::optional<JsonbItem>> JsonbMember(const JsonbItem& object, std::string_view name) {
  LANCEFS_ASSIGN_OR_RETURN(const auto members, JsonbMembers(object));
  for (const auto& [key, value] : members) {
    if (key == name) return std::optional<JsonbItem>(value);
  }
  return std::optional<JsonbItem>();
}

Result<JsonbNumber> JsonbNumberOf(const JsonbItem& item) {
  if (item.bytes.empty()) return Damaged("an empty number");
  const auto rest = item.bytes.subspan(1);
  switch (item.bytes[0]) {
    case 0x00: return JsonbNumber(int64_t{0});
    case 0x10: return JsonbNumber(std::numeric_limits<double>::quiet_NaN());
    case 0x20: return JsonbNumber(std::numeric_limits<double>::infinity());
    case 0x30: return JsonbNumber(-std::numeric_limits<double>::infinity());
    case 0x40:
      if (IsIntegerWidth(rest.size())) return JsonbNumber(SignedBigEndian(rest));
      break;
    case 0x50:
      if (IsIntegerWidth(rest.size())) return JsonbNumber(BigEndian(rest));
      break;
    case 0x60:
      if (rest.size() == 8) return JsonbNumber(std::bit_cast<double>(BigEndian(rest)));
      break;
    case 0x70:
      if (const std::optional<double> value = DecimalValue(rest)) return JsonbNumber(*value);
      break;
    default: return Damaged("unknown kind of number");
  }
  return Damaged("a number of odd width");
}

Status AppendJsonbItemText(const JsonbItem& item, std::string* out) { return JsonbPrinter(item.bytes, out).Item(item); }

void AppendJsonbDocument(const JsonbItem& item, std::string* out) {
  if (item.type != JsonbType::kContainer) {
    AppendBigEndian(kScalar, 4, out);
    AppendBigEndian(static_cast<uint32_t>(item.type) << 28 | static_cast<uint32_t>(item.bytes.size()), 4, out);
  }
  out->append(item.text());
}

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

namespace {

// Builds a document bottom-up: every container knows the lengths of its items before it is written.
class JsonbBuilder {
 public:
  explicit JsonbBuilder(std::string_view text) : text_(text) {}

  Status Document(std::string* out) {
    Value value;
    LANCEFS_RETURN_NOT_OK(Parse(&value, 0));
    SkipBlanks();
    if (at_ != text_.size()) return Bad("text behind the value");
    AppendJsonbDocument({value.type, {reinterpret_cast<const uint8_t*>(value.bytes.data()), value.bytes.size()}}, out);
    return Status::OK();
  }

 private:
  struct Value {
    JsonbType type = JsonbType::kNull;
    std::string bytes;
  };

  void SkipBlanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool Take(char c) {
    SkipBlanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Status Bad(const char* what) const {
    return Status::InvalidArgument("invalid JSON at byte " + std::to_string(at_) + ": " + what);
  }

  Status Parse(Value* out, int depth) {
    if (depth > kMaxDepth) return Bad("nested too deeply");
    SkipBlanks();
    if (at_ >= text_.size()) return Bad("a value is missing");
    switch (text_[at_]) {
      case '{': return Object(out, depth);
      case '[': return Array(out, depth);
      case '"': out->type = JsonbType::kString; return String(&out->bytes);
      case 't': return Word("true", JsonbType::kTrue, out);
      case 'f': return Word("false", JsonbType::kFalse, out);
      case 'n': return Word("null", JsonbType::kNull, out);
      default: return Number(out);
    }
  }

  Status Word(std::string_view word, JsonbType type, Value* out) {
    if (text_.substr(at_, word.size()) != word) return Bad("unknown word");
    at_ += word.size();
    out->type = type;
    return Status::OK();
  }

  Status Array(Value* out, int depth) {
    std::vector<Value> items;
    ++at_;
    if (!Take(']')) {
      do {
        LANCEFS_RETURN_NOT_OK(Parse(&items.emplace_back(), depth + 1));
      } while (Take(','));
      if (!Take(']')) return Bad("an array does not end");
    }
    out->type = JsonbType::kContainer;
    AppendBigEndian(kArray | static_cast<uint32_t>(items.size()), 4, &out->bytes);
    return Items(items, &out->bytes);
  }

  Status Object(Value* out, int depth) {
    std::map<std::string, Value> members;  // sorted by key
    ++at_;
    if (!Take('}')) {
      do {
        SkipBlanks();
        if (at_ >= text_.size() || text_[at_] != '"') return Bad("a key is missing");
        std::string key;
        LANCEFS_RETURN_NOT_OK(String(&key));
        if (!Take(':')) return Bad("a colon is missing");
        Value value;
        LANCEFS_RETURN_NOT_OK(Parse(&value, depth + 1));
        if (!members.emplace(std::move(key), std::move(value)).second) return Bad("a key stands twice in an object");
      } while (Take(','));
      if (!Take('}')) return Bad("an object does not end");
    }
    out->type = JsonbType::kContainer;
    AppendBigEndian(kObject | static_cast<uint32_t>(members.size()), 4, &out->bytes);
    std::vector<Value> items;
    for (auto& [key, value] : members) items.push_back({JsonbType::kString, key});
    for (auto& [key, value] : members) items.push_back(std::move(value));
    return Items(items, &out->bytes);
  }

  Status Items(const std::vector<Value>& items, std::string* out) {
    for (const Value& item : items) {
      if (item.bytes.size() > kLengthMask) return Bad("a value is too large");
      AppendBigEndian(static_cast<uint32_t>(item.type) << 28 | static_cast<uint32_t>(item.bytes.size()), 4, out);
    }
    for (const Value& item : items) out->append(item.bytes);
    return Status::OK();
  }

  Status HexUnit(uint32_t* unit) {
    if (text_.size() - at_ < 4) return Bad("a \\u escape is cut off");
    *unit = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_++];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return Bad("a \\u escape needs four hex digits");
      *unit = *unit << 4 | static_cast<uint32_t>(digit);
    }
    return Status::OK();
  }

  Status Escape(std::string* out) {
    if (at_ >= text_.size()) return Bad("an escape is cut off");
    const char c = text_[at_++];
    static constexpr std::string_view kFrom = "\"\\/bfnrt";
    static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    if (const size_t simple = kFrom.find(c); simple != std::string_view::npos) {
      out->push_back(kTo[simple]);
      return Status::OK();
    }
    if (c != 'u') return Bad("unknown escape");
    uint32_t code = 0;
    LANCEFS_RETURN_NOT_OK(HexUnit(&code));
    if (code >= 0xD800 && code < 0xDC00) {
      uint32_t low = 0;
      if (text_.substr(at_, 2) != "\\u") return Bad("half of a surrogate pair");
      at_ += 2;
      LANCEFS_RETURN_NOT_OK(HexUnit(&low));
      if (low < 0xDC00 || low > 0xDFFF) return Bad("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      return Bad("half of a surrogate pair");
    }
    AppendUtf8(code, out);
    return Status::OK();
  }

  static void AppendUtf8(uint32_t code, std::string* out) {
    if (code < 0x80) {
      out->push_back(static_cast<char>(code));
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static constexpr uint32_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
    out->push_back(static_cast<char>(kLead[more] | (code >> (6 * more))));
    for (int i = more - 1; i >= 0; --i) out->push_back(static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F)));
  }

  Status String(std::string* out) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return Status::OK();
      }
      if (static_cast<unsigned char>(c) < 0x20) return Bad("a control character in a string");
      ++at_;
      if (c != '\\') {
        out->push_back(c);
      } else {
        LANCEFS_RETURN_NOT_OK(Escape(out));
      }
    }
    return Bad("a string does not end");
  }

  size_t Digits() {
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ - start;
  }

  Status Number(Value* out) {
    const size_t start = at_;
    const bool negative = text_[at_] == '-';
    if (negative) ++at_;
    const size_t first = at_;
    if (Digits() == 0) return Bad("no value begins like this");
    if (at_ - first > 1 && text_[first] == '0') return Bad("a number with a leading zero");
    bool integer = true;
    if (at_ < text_.size() && text_[at_] == '.') {
      integer = false;
      ++at_;
      if (Digits() == 0) return Bad("a fraction has no digits");
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      integer = false;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (Digits() == 0) return Bad("an exponent has no digits");
    }
    out->type = JsonbType::kNumber;
    const char* begin = text_.data() + start;
    const char* end = text_.data() + at_;
    if (integer && negative) {
      int64_t value = 0;
      if (std::from_chars(begin, end, value).ec == std::errc())
        return Integer(0x40, static_cast<uint64_t>(value), SignedWidth(value), out);
    } else if (integer) {
      uint64_t value = 0;
      if (std::from_chars(begin, end, value).ec == std::errc()) return Integer(0x50, value, Width(value), out);
    }
    double value = 0;
    const auto parsed = std::from_chars(begin, end, value);
    if (parsed.ec == std::errc::result_out_of_range) value = std::strtod(std::string(begin, end).c_str(), nullptr);
    out->bytes.push_back(0x60);
    AppendBigEndian(std::bit_cast<uint64_t>(value), 8, &out->bytes);
    return Status::OK();
  }

  static size_t Width(uint64_t value) { return value <= 0xFF ? 1 : value <= 0xFFFF ? 2 : value <= 0xFFFFFFFF ? 4 : 8; }
  static size_t SignedWidth(int64_t value) {
    return value >= INT8_MIN && value <= INT8_MAX     ? 1
           : value >= INT16_MIN && value <= INT16_MAX ? 2
           : value >= INT32_MIN && value <= INT32_MAX ? 4
                                                      : 8;
  }
  static Status Integer(uint8_t tag, uint64_t value, size_t width, Value* out) {
    if (value == 0) {
      out->bytes.push_back(0x00);
      return Status::OK();
    }
    out->bytes.push_back(static_cast<char>(tag));
    AppendBigEndian(value, width, &out->bytes);
    return Status::OK();
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Status AppendJsonb(std::string_view text, std::string* out) { return JsonbBuilder(text).Document(out); }

}  // namespace lancefs
