// SPDX-License-Identifier: Apache-2.0
#include "backends/xml.h"

#include <cctype>
#include <charconv>

namespace lancefs {
namespace {

constexpr size_t kMaxDepth = 64;
constexpr size_t kMaxEntity = 12;  // "#x0010FFFF" and a little

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsNameByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) || c == '_' || c == '-' || c == '.' || c == ':';
}

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
  } else if (code < 0x800) {
    *out += static_cast<char>(0xC0 | code >> 6);
    *out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    *out += static_cast<char>(0xE0 | code >> 12);
    *out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    *out += static_cast<char>(0xF0 | code >> 18);
    *out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    *out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    *out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

class XmlParser {
 public:
  explicit XmlParser(std::string_view text) : text_(text) {}

  Result<XmlElement> Parse() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    LANCEFS_RETURN_NOT_OK(SkipBetween());
    XmlElement root;
    LANCEFS_RETURN_NOT_OK(ParseElement(&root, 0));
    LANCEFS_RETURN_NOT_OK(SkipBetween());
    if (at_ != text_.size()) return Bad("text behind the root element");
    return root;
  }

 private:
  Status Bad(std::string_view what) const {
    return Status::Corruption("malformed XML at byte " + std::to_string(at_) + ": " + std::string(what));
  }
  bool Starts(std::string_view word) const { return text_.substr(at_).starts_with(word); }
  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  Status SkipPast(std::string_view end) {
    const size_t found = text_.find(end, at_);
    if (found == std::string_view::npos) return Bad("no '" + std::string(end) + "'");
    at_ = found + end.size();
    return Status::OK();
  }

  // White space, comments and processing instructions outside the root.
  Status SkipBetween() {
    while (true) {
      SkipSpace();
      if (Starts("<!--")) {
        LANCEFS_RETURN_NOT_OK(SkipPast("-->"));
      } else if (Starts("<?")) {
        LANCEFS_RETURN_NOT_OK(SkipPast("?>"));
      } else {
        return Status::OK();
      }
    }
  }

  Status ParseName(std::string_view* name) {
    const size_t start = at_;
    while (at_ < text_.size() && IsNameByte(text_[at_])) ++at_;
    if (at_ == start) return Bad("a name is missing");
    *name = text_.substr(start, at_ - start);
    return Status::OK();
  }

  static std::string_view LocalName(std::string_view name) {
    const size_t colon = name.rfind(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
  }

  Status SkipAttributes() {
    while (true) {
      SkipSpace();
      if (at_ >= text_.size()) return Bad("the document ends inside a tag");
      if (text_[at_] == '>' || text_[at_] == '/') return Status::OK();
      std::string_view name;
      LANCEFS_RETURN_NOT_OK(ParseName(&name));
      SkipSpace();
      if (!Starts("=")) return Bad("an attribute without a value");
      ++at_;
      SkipSpace();
      if (!Starts("\"") && !Starts("'")) return Bad("an attribute value without quotes");
      const char quote = text_[at_++];
      LANCEFS_RETURN_NOT_OK(SkipPast(std::string_view(&quote, 1)));
    }
  }

  Status ParseEntity(std::string* out) {
    const size_t end = text_.substr(at_, kMaxEntity).find(';');
    if (end == std::string_view::npos) return Bad("an entity without ';'");
    const std::string_view name = text_.substr(at_ + 1, end - 1);
    if (name == "amp") {
      *out += '&';
    } else if (name == "lt") {
      *out += '<';
    } else if (name == "gt") {
      *out += '>';
    } else if (name == "quot") {
      *out += '"';
    } else if (name == "apos") {
      *out += '\'';
    } else if (name.starts_with('#')) {
      const bool hex = name.starts_with("#x");
      const std::string_view digits = name.substr(hex ? 2 : 1);
      uint32_t code = 0;
      const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
      const bool whole = error == std::errc() && last == digits.data() + digits.size();
      if (!whole || code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return Bad("a bad character reference");
      AppendUtf8(code, out);
    } else {
      return Bad("an unknown entity");
    }
    at_ += end + 1;
    return Status::OK();
  }

  Status ParseElement(XmlElement* element, size_t depth) {
    if (depth == kMaxDepth) return Bad("nested too deeply");
    if (!Starts("<")) return Bad("an element is missing");
    ++at_;
    std::string_view name;
    LANCEFS_RETURN_NOT_OK(ParseName(&name));
    element->name = LocalName(name);
    LANCEFS_RETURN_NOT_OK(SkipAttributes());
    if (Starts("/>")) {
      at_ += 2;
      return Status::OK();
    }
    if (!Starts(">")) return Bad("a malformed tag");
    ++at_;
    LANCEFS_RETURN_NOT_OK(ParseContent(element, depth));
    std::string_view closing;
    LANCEFS_RETURN_NOT_OK(ParseName(&closing));
    if (closing != name) return Bad("</" + std::string(closing.substr(0, 100)) + "> closes another element");
    SkipSpace();
    if (!Starts(">")) return Bad("a malformed closing tag");
    ++at_;
    return Status::OK();
  }

  // Up to and including the "</" of the closing tag.
  Status ParseContent(XmlElement* element, size_t depth) {
    while (true) {
      const size_t special = text_.find_first_of("<&", at_);
      if (special == std::string_view::npos) return Bad("the document ends inside an element");
      element->text.append(text_.substr(at_, special - at_));
      at_ = special;
      if (text_[at_] == '&') {
        LANCEFS_RETURN_NOT_OK(ParseEntity(&element->text));
      } else if (Starts("</")) {
        at_ += 2;
        return Status::OK();
      } else if (Starts("<!--")) {
        LANCEFS_RETURN_NOT_OK(SkipPast("-->"));
      } else if (Starts("<![CDATA[")) {
        const size_t start = at_ + 9;
        LANCEFS_RETURN_NOT_OK(SkipPast("]]>"));
        if (at_ < start + 3) return Bad("a malformed CDATA section");
        element->text.append(text_.substr(start, at_ - 3 - start));
      } else if (Starts("<?")) {
        LANCEFS_RETURN_NOT_OK(SkipPast("?>"));
      } else {
        LANCEFS_RETURN_NOT_OK(ParseElement(&element->children.emplace_back(), depth + 1));
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

const XmlElement* XmlElement::Find(std::string_view child) const {
  for (const XmlElement& element : children) {
    if (element.name == child) return &element;
  }
  return nullptr;
}

std::string_view XmlElement::Text(std::string_view child) const {
  const XmlElement* element = Find(child);
  return element == nullptr ? std::string_view() : std::string_view(element->text);
}

Result<XmlElement> ParseXml(std::string_view text) { return XmlParser(text).Parse(); }

std::string XmlEscape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace lancefs
