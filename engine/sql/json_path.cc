// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/json_path.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace lancefs::sql {

struct JsonExpression {
  enum class Kind : uint8_t { kOr, kAnd, kCompare, kExists };
  struct Operand {
    bool is_path = false;
    bool from_root = false;
    std::vector<JsonStep> steps;
    std::string document;  // of a literal
  };
  Kind kind = Kind::kCompare;
  std::vector<std::shared_ptr<const JsonExpression>> terms;  // kOr, kAnd
  std::string op;                                            // kCompare
  Operand left;                                              // kCompare, kExists
  Operand right;
};

namespace {

constexpr int kMaxNesting = 64;
constexpr size_t kMaxSelected = 1 << 22;  // recursive steps can multiply values

using Items = std::vector<JsonbItem>;
using ExpressionPtr = std::shared_ptr<const JsonExpression>;

class PathParser {
 public:
  explicit PathParser(std::string_view text) : text_(text) {}

  Status Whole(std::vector<JsonStep>* steps, ExpressionPtr* predicate) {
    // A predicate begins like a path; only where it does not end as one it is a predicate.
    Status plain = Path(steps);
    if (plain.ok() && AtEnd()) return Status::OK();
    const size_t furthest = at_;
    at_ = 0;
    steps->clear();
    Result<ExpressionPtr> expression = Or(true, 0);
    if (expression.ok() && AtEnd()) {
      *predicate = std::move(*expression);
      return Status::OK();
    }
    at_ = std::max(furthest, at_);
    return Bad();
  }

 private:
  Status Bad() const {
    return Status::InvalidArgument("invalid JSON path '" + std::string(text_) + "' at byte " + std::to_string(at_));
  }
  void SkipBlanks() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool AtEnd() {
    SkipBlanks();
    return at_ == text_.size();
  }
  bool Peek(std::string_view token) const { return text_.substr(at_, token.size()) == token; }
  bool Take(std::string_view token) {
    if (!Peek(token)) return false;
    at_ += token.size();
    return true;
  }
  bool TakeWord(std::string_view word) {
    if (text_.size() - at_ < word.size()) return false;
    for (size_t i = 0; i < word.size(); ++i) {
      if ((text_[at_ + i] | 0x20) != word[i]) return false;
    }
    at_ += word.size();
    return true;
  }

  Status Path(std::vector<JsonStep>* steps) {
    SkipBlanks();
    if (!Take("$")) {
      JsonStep step;  // a name without `$.`
      if (!RawName(&step.name)) return at_ < text_.size() && text_[at_] == '[' ? Steps(steps, true, 0) : Bad();
      steps->push_back(std::move(step));
    }
    return Steps(steps, true, 0);
  }

  Status Steps(std::vector<JsonStep>* steps, bool with_filters, int depth) {
    while (true) {
      const size_t before = at_;
      SkipBlanks();
      if (at_ == text_.size() || (text_[at_] != '.' && text_[at_] != '[' && text_[at_] != ':' && text_[at_] != '?')) {
        at_ = before;
        return Status::OK();
      }
      if (text_[at_] == '?' && !with_filters) return Bad();
      JsonStep step;
      LANCEFS_RETURN_NOT_OK(Step(&step, depth));
      steps->push_back(std::move(step));
    }
  }

  Status Step(JsonStep* step, int depth) {
    if (Take(".**")) return Deep(step);
    if (Take(".*")) {
      step->kind = JsonStep::Kind::kAnyMember;
      return Status::OK();
    }
    if (Take(".") || Take(":")) return Quoted(&step->name) || RawName(&step->name) ? Status::OK() : Bad();
    if (Take("?")) {
      SkipBlanks();
      if (!Take("(")) return Bad();
      step->kind = JsonStep::Kind::kFilter;
      LANCEFS_ASSIGN_OR_RETURN(step->filter, Or(false, depth + 1));
      SkipBlanks();
      return Take(")") ? Status::OK() : Bad();
    }
    ++at_;  // [
    SkipBlanks();
    if (Take("*")) {
      step->kind = JsonStep::Kind::kAnyElement;
    } else if (Peek("\"")) {
      if (!Quoted(&step->name)) return Bad();
    } else {
      step->kind = JsonStep::Kind::kElements;
      do {
        LANCEFS_RETURN_NOT_OK(Range(&step->ranges.emplace_back()));
        SkipBlanks();
      } while (Take(","));
    }
    SkipBlanks();
    return Take("]") ? Status::OK() : Bad();
  }

  Status Range(JsonStep::Range* range) {
    LANCEFS_RETURN_NOT_OK(Index(&range->first));
    range->last = range->first;
    const size_t before = at_;
    SkipBlanks();
    if (!TakeWord("to")) {
      at_ = before;
      return Status::OK();
    }
    return Index(&range->last);
  }

  Status Index(JsonStep::Index* index) {
    SkipBlanks();
    if (!TakeWord("last")) return Integer(&index->value) ? Status::OK() : Bad();
    index->from_last = true;
    const size_t before = at_;
    SkipBlanks();
    const bool minus = Take("-");
    if (!minus && !Take("+")) {
      at_ = before;
      return Status::OK();
    }
    SkipBlanks();
    if (!Integer(&index->value)) return Bad();
    if (minus) index->value = -index->value;
    return Status::OK();
  }

  bool Integer(int64_t* value) {
    int32_t narrow = 0;
    if (at_ < text_.size() && text_[at_] == '+') ++at_;
    const auto parsed = std::from_chars(text_.data() + at_, text_.data() + text_.size(), narrow);
    if (parsed.ec != std::errc()) return false;
    at_ = static_cast<size_t>(parsed.ptr - text_.data());
    *value = narrow;
    return true;
  }

  // {2}, {1 to 3}, {1 to last}; without them every depth.
  Status Deep(JsonStep* step) {
    step->kind = JsonStep::Kind::kDeep;
    step->max_depth = INT32_MAX;
    if (!Take("{")) return Status::OK();
    int64_t first = 0;
    int64_t last = 0;
    SkipBlanks();
    if (!Integer(&first)) return Bad();
    last = first;
    SkipBlanks();
    if (TakeWord("to")) {
      SkipBlanks();
      if (TakeWord("last")) {
        last = INT32_MAX;
      } else if (!Integer(&last)) {
        return Bad();
      }
      SkipBlanks();
    }
    if (!Take("}") || first < 0 || first > 255 || last < 0) return Bad();
    step->min_depth = static_cast<int>(first);
    step->max_depth = static_cast<int>(last);
    return Status::OK();
  }

  bool RawName(std::string* name) {
    static constexpr std::string_view kEnds = " ,.:{}[]()?@$|<>!=+-*/%\"'";
    const size_t start = at_;
    bool escaped = false;
    while (at_ < text_.size() && kEnds.find(text_[at_]) == std::string_view::npos) {
      if (text_[at_] == '\\') {
        escaped = true;
        ++at_;
      }
      if (at_ < text_.size()) ++at_;
    }
    if (at_ == start) return false;
    return Unescape(text_.substr(start, at_ - start), escaped, name);
  }

  bool Quoted(std::string* name) {
    if (!Peek("\"")) return false;
    const size_t start = at_;
    bool escaped = false;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') {
        escaped = true;
        ++at_;
      }
    }
    if (at_ >= text_.size()) return false;
    ++at_;
    return Unescape(text_.substr(start + 1, at_ - start - 2), escaped, name);
  }

  static bool Unescape(std::string_view text, bool escaped, std::string* out) {
    if (!escaped) {
      *out = text;
      return true;
    }
    std::string document;
    if (!AppendJsonb("\"" + std::string(text) + "\"", &document).ok()) return false;
    const auto item = JsonbRoot({reinterpret_cast<const uint8_t*>(document.data()), document.size()});
    if (!item.ok()) return false;
    *out = item->text();
    return true;
  }

  Result<ExpressionPtr> Or(bool root, int depth) { return Joined(JsonExpression::Kind::kOr, "||", root, depth); }

  Result<ExpressionPtr> Joined(JsonExpression::Kind kind, std::string_view joint, bool root, int depth) {
    if (depth > kMaxNesting) return Bad();
    auto joined = std::make_shared<JsonExpression>();
    joined->kind = kind;
    while (true) {
      Result<ExpressionPtr> term =
          kind == JsonExpression::Kind::kOr ? Joined(JsonExpression::Kind::kAnd, "&&", root, depth) : Atom(root, depth);
      if (!term.ok()) return term.status();
      joined->terms.push_back(std::move(*term));
      const size_t before = at_;
      SkipBlanks();
      if (!Take(joint)) {
        at_ = before;
        break;
      }
    }
    if (joined->terms.size() == 1) return joined->terms[0];
    return ExpressionPtr(std::move(joined));
  }

  Result<ExpressionPtr> Atom(bool root, int depth) {
    SkipBlanks();
    if (Take("(")) {
      LANCEFS_ASSIGN_OR_RETURN(ExpressionPtr inner, Or(root, depth + 1));
      SkipBlanks();
      if (!Take(")")) return Bad();
      return inner;
    }
    auto atom = std::make_shared<JsonExpression>();
    if (Take("exists")) {
      SkipBlanks();
      if (!Take("(")) return Bad();
      SkipBlanks();
      atom->kind = JsonExpression::Kind::kExists;
      atom->left.is_path = true;
      atom->left.from_root = Peek("$");
      if (!Take("$") && !Take("@")) return Bad();
      LANCEFS_RETURN_NOT_OK(Steps(&atom->left.steps, true, depth + 1));
      SkipBlanks();
      if (!Take(")")) return Bad();
      return ExpressionPtr(std::move(atom));
    }
    LANCEFS_RETURN_NOT_OK(Operand(root, depth, &atom->left));
    SkipBlanks();
    for (const char* op : {"==", "!=", "<>", "<=", "<", ">=", ">", "starts with"}) {
      if (atom->op.empty() && Take(op)) atom->op = op;
    }
    if (atom->op.empty()) return Bad();
    LANCEFS_RETURN_NOT_OK(Operand(root, depth, &atom->right));
    return ExpressionPtr(std::move(atom));
  }

  Status Operand(bool root, int depth, JsonExpression::Operand* out) {
    SkipBlanks();
    if (Peek("$") || (!root && Peek("@"))) {
      out->is_path = true;
      out->from_root = Peek("$");
      ++at_;
      return Steps(&out->steps, false, depth);
    }
    // A literal ends where JSON would not go on.
    size_t end = at_;
    if (Peek("\"")) {
      std::string unused;
      const size_t start = at_;
      if (!Quoted(&unused)) return Bad();
      end = at_;
      at_ = start;
    } else {
      while (end < text_.size() &&
             (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '.' ||
              ((text_[end] == '-' || text_[end] == '+') && (end == at_ || text_[end - 1] == 'e' || text_[end - 1] == 'E')))) {
        ++end;
      }
    }
    if (!AppendJsonb(text_.substr(at_, end - at_), &out->document).ok()) return Bad();
    at_ = end;
    return Status::OK();
  }

  const std::string_view text_;
  size_t at_ = 0;
};

std::span<const uint8_t> BytesOf(const std::string& document) {
  return {reinterpret_cast<const uint8_t*>(document.data()), document.size()};
}

class Evaluator {
 public:
  explicit Evaluator(const JsonbItem& root) : root_(root) {}

  Result<Items> Run(const std::vector<JsonStep>& steps, const JsonbItem& from) {
    Items items = {from};
    for (const JsonStep& step : steps) {
      Items next;
      for (const JsonbItem& item : items) {
        LANCEFS_RETURN_NOT_OK(Apply(step, item, &next));
        if (next.size() > kMaxSelected) return Status::TooLarge("a JSON path selects too many values");
      }
      items = std::move(next);
    }
    return items;
  }

  // Unknown is nullopt.
  Result<std::optional<bool>> Test(const JsonExpression& expression, const JsonbItem& item) {
    switch (expression.kind) {
      case JsonExpression::Kind::kOr:
      case JsonExpression::Kind::kAnd: {
        const bool is_or = expression.kind == JsonExpression::Kind::kOr;
        bool value = !is_or;
        bool unknown = false;
        for (const ExpressionPtr& term : expression.terms) {
          LANCEFS_ASSIGN_OR_RETURN(const std::optional<bool> result, Test(*term, item));
          unknown |= !result.has_value();
          value = is_or ? value || result.value_or(false) : value && result.value_or(false);
        }
        return unknown ? std::optional<bool>() : std::optional<bool>(value);
      }
      case JsonExpression::Kind::kExists: {
        LANCEFS_ASSIGN_OR_RETURN(const Items found, Run(expression.left.steps, expression.left.from_root ? root_ : item));
        return std::optional<bool>(!found.empty());
      }
      case JsonExpression::Kind::kCompare: break;
    }
    LANCEFS_ASSIGN_OR_RETURN(const Items left, Values(expression.left, item));
    LANCEFS_ASSIGN_OR_RETURN(const Items right, Values(expression.right, item));
    for (const JsonbItem& a : left) {
      for (const JsonbItem& b : right) {
        LANCEFS_ASSIGN_OR_RETURN(const std::optional<bool> result, Compare(expression.op, a, b));
        if (!result || *result) return result;
      }
    }
    return std::optional<bool>(false);
  }

 private:
  Status Apply(const JsonStep& step, const JsonbItem& item, Items* out) {
    switch (step.kind) {
      case JsonStep::Kind::kMember: {
        if (!item.is_object()) return Status::OK();
        LANCEFS_ASSIGN_OR_RETURN(const std::optional<JsonbItem> member, JsonbMember(item, step.name));
        if (member) out->push_back(*member);
        return Status::OK();
      }
      case JsonStep::Kind::kAnyMember: return item.is_object() ? Children(item, out) : Status::OK();
      case JsonStep::Kind::kAnyElement:
        if (item.is_array()) return Children(item, out);
        out->push_back(item);  // a single value counts as its only element
        return Status::OK();
      case JsonStep::Kind::kElements: return Elements(step, item, out);
      case JsonStep::Kind::kDeep: return Deep(step, item, 0, out);
      case JsonStep::Kind::kFilter: {
        LANCEFS_ASSIGN_OR_RETURN(const std::optional<bool> keep, Test(*step.filter, item));
        if (keep.value_or(false)) out->push_back(item);
        return Status::OK();
      }
    }
    return Status::OK();
  }

  static Status Children(const JsonbItem& item, Items* out) {
    if (item.is_array()) {
      LANCEFS_ASSIGN_OR_RETURN(const Items elements, JsonbElements(item));
      out->insert(out->end(), elements.begin(), elements.end());
    } else if (item.is_object()) {
      LANCEFS_ASSIGN_OR_RETURN(const auto members, JsonbMembers(item));
      for (const auto& [name, value] : members) out->push_back(value);
    }
    return Status::OK();
  }

  static Status Elements(const JsonStep& step, const JsonbItem& item, Items* out) {
    if (!item.is_array()) return Status::OK();
    LANCEFS_ASSIGN_OR_RETURN(const Items elements, JsonbElements(item));
    const auto count = static_cast<int64_t>(elements.size());
    for (const JsonStep::Range& range : step.ranges) {
      auto place = [&](const JsonStep::Index& index) { return index.from_last ? count - 1 + index.value : index.value; };
      const bool single = range.first.from_last == range.last.from_last && range.first.value == range.last.value;
      int64_t first = place(range.first);
      if (!single) first = std::max<int64_t>(0, first);
      for (int64_t i = first; i <= std::min(place(range.last), count - 1); ++i) {
        if (i >= 0) out->push_back(elements[static_cast<size_t>(i)]);
      }
    }
    return Status::OK();
  }

  Status Deep(const JsonStep& step, const JsonbItem& item, int depth, Items* out) {
    if (depth >= step.min_depth && depth <= step.max_depth) out->push_back(item);
    if (depth >= step.max_depth || depth > 512) return Status::OK();
    if (out->size() > kMaxSelected) return Status::TooLarge("a JSON path selects too many values");
    Items children;
    LANCEFS_RETURN_NOT_OK(Children(item, &children));
    for (const JsonbItem& child : children) LANCEFS_RETURN_NOT_OK(Deep(step, child, depth + 1, out));
    return Status::OK();
  }

  // What an operand stands for; arrays stand for their elements.
  Result<Items> Values(const JsonExpression::Operand& operand, const JsonbItem& item) {
    if (!operand.is_path) {
      LANCEFS_ASSIGN_OR_RETURN(const JsonbItem literal, JsonbRoot(BytesOf(operand.document)));
      return Items{literal};
    }
    LANCEFS_ASSIGN_OR_RETURN(const Items found, Run(operand.steps, operand.from_root ? root_ : item));
    Items values;
    for (const JsonbItem& value : found) {
      if (value.is_array()) {
        LANCEFS_RETURN_NOT_OK(Children(value, &values));
      } else {
        values.push_back(value);
      }
    }
    return values;
  }

  static Result<std::optional<bool>> Compare(const std::string& op, const JsonbItem& a, const JsonbItem& b) {
    using Answer = std::optional<bool>;
    if (a.type == JsonbType::kContainer || b.type == JsonbType::kContainer) return Answer();
    const bool strings = a.type == JsonbType::kString && b.type == JsonbType::kString;
    if (op == "starts with") return strings ? Answer(a.text().starts_with(b.text())) : Answer();
    auto is_bool = [](const JsonbItem& item) { return item.type == JsonbType::kTrue || item.type == JsonbType::kFalse; };
    std::partial_ordering order = std::partial_ordering::unordered;
    if (strings) {
      order = a.text() <=> b.text();
    } else if (a.type == JsonbType::kNumber && b.type == JsonbType::kNumber) {
      LANCEFS_ASSIGN_OR_RETURN(order, CompareNumbers(a, b));
    } else if (is_bool(a) && is_bool(b)) {
      order = (a.type == JsonbType::kTrue) <=> (b.type == JsonbType::kTrue);
    } else if (a.type == JsonbType::kNull && b.type == JsonbType::kNull) {
      order = std::partial_ordering::equivalent;
    }
    if (order == std::partial_ordering::unordered) return op == "!=" || op == "<>" ? Answer(true) : Answer();
    if (op == "==") return Answer(order == 0);
    if (op == "!=" || op == "<>") return Answer(order != 0);
    if (op == "<") return Answer(order < 0);
    if (op == "<=") return Answer(order <= 0);
    return Answer(op == ">" ? order > 0 : order >= 0);
  }

  static Result<std::partial_ordering> CompareNumbers(const JsonbItem& a, const JsonbItem& b) {
    LANCEFS_ASSIGN_OR_RETURN(const JsonbNumber left, JsonbNumberOf(a));
    LANCEFS_ASSIGN_OR_RETURN(const JsonbNumber right, JsonbNumberOf(b));
    auto wide = [](const JsonbNumber& number) -> std::optional<__int128> {
      if (const auto* value = std::get_if<int64_t>(&number)) return *value;
      if (const auto* value = std::get_if<uint64_t>(&number)) return *value;
      return std::nullopt;
    };
    const auto x = wide(left);
    const auto y = wide(right);
    if (x && y)
      return *x < *y ? std::partial_ordering::less : *x > *y ? std::partial_ordering::greater : std::partial_ordering::equivalent;
    auto floating = [](const JsonbNumber& number) {
      return std::visit([](auto value) { return static_cast<double>(value); }, number);
    };
    return floating(left) <=> floating(right);
  }

  const JsonbItem root_;
};

// true and false as values that a predicate selects.
const JsonbItem& BoolItem(std::optional<bool> value) {
  static const JsonbItem kNull{JsonbType::kNull, {}};
  static const JsonbItem kTrue{JsonbType::kTrue, {}};
  static const JsonbItem kFalse{JsonbType::kFalse, {}};
  return !value ? kNull : *value ? kTrue : kFalse;
}

}  // namespace

Result<JsonPath> JsonPath::Parse(std::string_view text) {
  JsonPath path;
  LANCEFS_RETURN_NOT_OK(PathParser(text).Whole(&path.steps_, &path.predicate_));
  return path;
}

Result<std::vector<JsonbItem>> JsonPath::Select(const JsonbItem& root) const {
  Evaluator evaluator(root);
  if (predicate_ == nullptr) return evaluator.Run(steps_, root);
  LANCEFS_ASSIGN_OR_RETURN(const std::optional<bool> result, evaluator.Test(*predicate_, root));
  return Items{BoolItem(result)};
}

}  // namespace lancefs::sql
