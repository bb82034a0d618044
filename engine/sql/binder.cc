// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/binder.h"

#include <arrow/compute/api.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "engine/sql/cast.h"
#include "engine/sql/functions.h"
#include "engine/sql/lexer.h"
#include "engine/sql/temporal.h"

namespace lancefs::sql {
namespace {

using arrow::Type;

bool SameIgnoringCase(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::vector<std::string> NamesOf(const arrow::FieldVector& fields) {
  std::vector<std::string> names;
  for (const auto& field : fields) names.push_back(field->name());
  return names;
}

TypePtr StorageOf(TypePtr type) {
  while (type->id() == Type::EXTENSION) type = static_cast<const arrow::ExtensionType&>(*type).storage_type();
  return type;
}

template <typename T>
Result<NodePtr> Constant(const std::shared_ptr<arrow::Scalar>& scalar) {
  LANCEFS_ARROW_ASSIGN(auto array, arrow::MakeArrayFromScalar(*scalar, 1));
  return NodePtr(std::make_shared<ConstantNode>(Column{std::move(array), true}));
}
Result<NodePtr> ConstantOfScalar(const std::shared_ptr<arrow::Scalar>& scalar) { return Constant<void>(scalar); }

// A batch of one row without columns, to evaluate constants.
const arrow::RecordBatch& OneRow() {
  static const std::shared_ptr<arrow::RecordBatch> batch = arrow::RecordBatch::Make(arrow::schema({}), 1, arrow::ArrayVector{});
  return *batch;
}

// A literal, or arithmetic on literals only.
bool IsLiteralChain(const Ast& ast) {
  if (ast.kind == AstKind::kBinaryOp) {
    static constexpr std::string_view kOps[] = {"+", "-", "*", "/", "%", "<<", ">>", "||"};
    if (std::find(std::begin(kOps), std::end(kOps), ast.text) == std::end(kOps)) return false;
    return IsLiteralChain(*ast.kids[0]) && IsLiteralChain(*ast.kids[1]);
  }
  return ast.IsLiteral() || ast.kind == AstKind::kArray;
}

CompareOp CompareOpOf(const Ast& ast) {
  if (ast.text == "=") return CompareOp::kEq;
  if (ast.text == "!=") return CompareOp::kNe;
  if (ast.text == "<") return CompareOp::kLt;
  if (ast.text == "<=") return CompareOp::kLe;
  if (ast.text == ">") return CompareOp::kGt;
  if (ast.text == ">=") return CompareOp::kGe;
  return ast.negated ? CompareOp::kNotDistinct : CompareOp::kDistinct;
}
bool IsComparison(const Ast& ast) {
  return ast.text == "=" || ast.text == "!=" || ast.text == "<" || ast.text == "<=" || ast.text == ">" || ast.text == ">=" ||
         ast.text == "is distinct";
}

// The types between which a literal moves when it is compared with a cast column.
bool CanUnwrap(const arrow::DataType& type) {
  return IsInteger(type) || type.id() == Type::DATE32 || type.id() == Type::DATE64 || type.id() == Type::DECIMAL128 ||
         type.id() == Type::TIMESTAMP;
}

// `literal` in `type` if its value stays the same, so that `CAST(x AS T) op literal` can be answered as
// `x op literal`; nullopt otherwise.
std::optional<Column> MoveLiteral(const Column& literal, const TypePtr& type, CompareOp op) {
  const TypePtr& from = literal.type();
  if (from->Equals(*type)) return literal;
  auto cast = [&](const Column& value, const TypePtr& to) -> std::optional<Column> {
    if (!CanCast(*value.type(), *to)) return std::nullopt;
    auto result = CastColumn(value, to, true);
    if (!result.ok() || result->ConstantNull()) return std::nullopt;
    return *result;
  };
  if (literal.ConstantNull()) return std::nullopt;
  if (IsString(*from) && IsInteger(*type) && (op == CompareOp::kEq || op == CompareOp::kNe)) {
    auto moved = cast(literal, type);
    if (!moved) return std::nullopt;
    return ValueText(*moved, 0) == std::string(Strings(literal)[0]) ? moved : std::nullopt;
  }
  if (IsString(*from) && IsString(*type)) return cast(literal, type);
  if (from->id() == Type::BINARY && type->id() == Type::FIXED_SIZE_BINARY) return std::nullopt;
  if (!CanUnwrap(*from) || !CanUnwrap(*type)) return std::nullopt;
  auto is_date = [](const arrow::DataType& t) { return t.id() == Type::DATE32 || t.id() == Type::DATE64; };
  const bool from_time = IsTemporal(*from);
  const bool to_time = IsTemporal(*type);
  if ((is_date(*from) && to_time) || (is_date(*type) && from_time)) return std::nullopt;
  if (from->id() == Type::TIMESTAMP && type->id() == Type::TIMESTAMP) {
    // The instant stays, whatever the zone; a finer literal loses nothing only if it goes back unchanged.
    const auto& a = static_cast<const arrow::TimestampType&>(*from);
    const auto& b = static_cast<const arrow::TimestampType&>(*type);
    int64_t value = Values<int64_t>(literal)[0];
    const int64_t au = UnitsPerSecond(a.unit());
    const int64_t bu = UnitsPerSecond(b.unit());
    if (bu >= au) {
      if (__builtin_mul_overflow(value, bu / au, &value)) return std::nullopt;
    } else {
      if (value % (au / bu) != 0) return std::nullopt;
      value /= au / bu;
    }
    auto scalar = std::make_shared<arrow::TimestampScalar>(value, type);
    auto array = arrow::MakeArrayFromScalar(*scalar, 1);
    if (!array.ok()) return std::nullopt;
    return Column{*array, true};
  }
  auto moved = cast(literal, type);
  if (!moved) return std::nullopt;
  auto back = cast(*moved, from);
  if (!back) return std::nullopt;
  auto same = Compare(CompareOp::kEq, *back, literal, 1);
  if (!same.ok() || same->ConstantNull() || !Bools(*same)[0]) return std::nullopt;
  return moved;
}

// As in Comparison(): keeps the column's type where all items of an IN list have their value in it; false if not.
Result<bool> MoveItems(const TypePtr& type, std::vector<NodePtr>* items) {
  std::vector<NodePtr> moved;
  for (const NodePtr& item : *items) {
    const Column* constant = ConstantOf(item);
    std::optional<Column> literal;
    if (constant && constant->ConstantNull()) {
      LANCEFS_ASSIGN_OR_RETURN(literal, NullColumn(type));
    } else if (constant) {
      literal = MoveLiteral(*constant, type, CompareOp::kEq);
    }
    if (!literal) return false;
    moved.push_back(std::make_shared<ConstantNode>(*literal));
  }
  *items = std::move(moved);
  return true;
}

}  // namespace

bool IsSystemColumn(std::string_view name) {
  return name == "_rowid" || name == "_rowaddr" || name == "_rowoffset" || name == "_row_created_at_version" ||
         name == "_row_last_updated_at_version";
}

std::string Suggestion(std::string_view name, const std::vector<std::string>& names) {
  const std::string nearest = NearestName(name, names);
  return nearest.empty() ? "" : ", did you mean '" + nearest + "'?";
}

Status Binder::Error(const Ast& ast, const std::string& reason) const {
  if (sql_.empty()) return Status::InvalidArgument(reason);
  return ErrorAt(sql_, ast.pos, reason);
}

Result<NodePtr> Binder::Fold(const Ast& ast, NodePtr node, const std::vector<NodePtr>& arguments) const {
  for (const NodePtr& argument : arguments) {
    if (!ConstantOf(argument)) return node;
  }
  auto value = node->Evaluate(OneRow());
  if (!value.ok()) return Error(ast, value.status().message());
  return NodePtr(std::make_shared<ConstantNode>(Column{value->array, true}));
}

Result<NodePtr> Binder::Call(const Ast& ast, TypePtr type, std::vector<NodePtr> arguments, Kernel kernel) const {
  auto node = std::make_shared<CallNode>(std::move(type), arguments, std::move(kernel));
  return Fold(ast, std::move(node), arguments);
}

Result<NodePtr> Binder::Cast(const Ast& ast, NodePtr node, const TypePtr& type, bool try_cast) const {
  if (node->type()->Equals(*type)) return node;
  if (!CanCast(*node->type(), *type)) {
    return Error(ast, "cannot cast " + node->type()->ToString() + " to " + type->ToString());
  }
  const std::vector<NodePtr> arguments = {node};
  return Fold(ast, std::make_shared<CastNode>(std::move(node), type, try_cast), arguments);
}

Result<NodePtr> Binder::Boolean(const Ast& ast, NodePtr node, const char* where) const {
  if (node->type()->id() == Type::BOOL) return node;
  if (node->type()->id() == Type::NA) return Cast(ast, std::move(node), arrow::boolean());
  return Error(ast, std::string(where) + " needs a boolean, this is " + node->type()->ToString());
}

Result<NodePtr> Binder::Bind(Ast* ast, bool as_filter) { return BindNode(ast, Place{true, as_filter}); }

Result<NodePtr> Binder::TypedConstant(const std::string& text, const TypePtr& type) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr node, ConstantOfScalar(std::make_shared<arrow::StringScalar>(text)));
  return Cast(Ast(AstKind::kString, 0), std::move(node), type);
}

Result<NodePtr> Binder::BindNode(Ast* ast, Place place) {
  switch (ast->kind) {
    case AstKind::kNull:
    case AstKind::kBool:
    case AstKind::kNumber:
    case AstKind::kString:
    case AstKind::kBinary: return BindLiteral(*ast);
    case AstKind::kName: return BindName(ast);
    case AstKind::kAnd:
    case AstKind::kOr: return BindLogic(ast, place);
    case AstKind::kNot: return BindNot(ast, place);
    case AstKind::kNegate: return BindNegate(ast);
    case AstKind::kPlus: return BindNegate(ast);
    case AstKind::kBinaryOp: return BindBinary(ast, place);
    case AstKind::kIsNull:
    case AstKind::kIsTruth: return BindIs(ast);
    case AstKind::kInList: return BindIn(ast, place);
    case AstKind::kBetween: return BindBetween(ast, place);
    case AstKind::kLike:
    case AstKind::kSimilar: return BindLike(ast);
    case AstKind::kFunction: return BindFunction(ast, place);
    case AstKind::kCast: return BindCast(ast);
    case AstKind::kSubscript: return BindSubscript(ast);
    case AstKind::kField: return BindField(ast);
    case AstKind::kArray: return BindArray(ast);
    case AstKind::kCase: return BindCase(ast);
    case AstKind::kInterval: return BindInterval(*ast);
  }
  return Status::Internal("unknown syntax node");
}

Result<NodePtr> Binder::BindName(Ast* ast) {
  int index = -1;
  for (int i = 0; i < schema_.num_fields() && index < 0; ++i) {
    if (schema_.field(i)->name() == ast->names[0]) index = i;
  }
  for (int i = 0; i < schema_.num_fields() && index < 0 && !ast->quoted; ++i) {
    if (SameIgnoringCase(schema_.field(i)->name(), ast->names[0])) index = i;
  }
  TypePtr type;
  if (index >= 0) {
    ast->names[0] = schema_.field(index)->name();
    type = schema_.field(index)->type();
  } else if (IsSystemColumn(ast->names[0])) {
    type = arrow::uint64();
  } else {
    return Error(*ast, "unknown column '" + ast->names[0] + "'" + Suggestion(ast->names[0], NamesOf(schema_.fields())));
  }
  for (size_t i = 1; i < ast->names.size(); ++i) {
    type = StorageOf(type);
    if (type->id() != Type::STRUCT) {
      return Error(*ast, "'" + ast->names[i - 1] + "' is " + type->ToString() + ", it has no field '" + ast->names[i] + "'");
    }
    const auto field = static_cast<const arrow::StructType&>(*type).GetFieldByName(ast->names[i]);
    if (!field) {
      return Error(*ast, "unknown field '" + ast->names[i] + "' in '" + ast->names[i - 1] + "'" +
                             Suggestion(ast->names[i], NamesOf(type->fields())));
    }
    type = field->type();
  }
  columns_.insert(ast->names[0]);
  paths_.insert(ast->names);
  if (!only_nulls_) value_paths_.insert(ast->names);
  return NodePtr(std::make_shared<ColumnNode>(ast->names, type));
}

Result<NodePtr> Binder::BindLiteral(const Ast& ast) const {
  switch (ast.kind) {
    case AstKind::kNull: return ConstantOfScalar(std::make_shared<arrow::NullScalar>());
    case AstKind::kBool: return ConstantOfScalar(std::make_shared<arrow::BooleanScalar>(ast.text == "TRUE"));
    case AstKind::kString: return ConstantOfScalar(std::make_shared<arrow::StringScalar>(ast.text));
    case AstKind::kBinary: return ConstantOfScalar(std::make_shared<arrow::BinaryScalar>(ast.text));
    default: break;
  }
  const char* begin = ast.text.data();
  const char* end = begin + ast.text.size();
  int64_t whole = 0;
  if (auto r = std::from_chars(begin, end, whole); r.ec == std::errc() && r.ptr == end) {
    return ConstantOfScalar(std::make_shared<arrow::Int64Scalar>(whole));
  }
  uint64_t large = 0;
  if (auto r = std::from_chars(begin, end, large); r.ec == std::errc() && r.ptr == end) {
    return ConstantOfScalar(std::make_shared<arrow::UInt64Scalar>(large));
  }
  return ConstantOfScalar(std::make_shared<arrow::DoubleScalar>(std::strtod(ast.text.c_str(), nullptr)));
}

Result<NodePtr> Binder::BindLogic(Ast* ast, Place place) {
  std::vector<NodePtr> terms;
  bool all_constant = true;
  for (AstPtr& kid : ast->kids) {
    LANCEFS_ASSIGN_OR_RETURN(NodePtr term, BindNode(kid.get(), place));
    LANCEFS_ASSIGN_OR_RETURN(term, Boolean(*kid, std::move(term), ast->kind == AstKind::kAnd ? "AND" : "OR"));
    all_constant = all_constant && ConstantOf(term);
    terms.push_back(std::move(term));
  }
  NodePtr node = std::make_shared<LogicNode>(ast->kind == AstKind::kAnd, terms);
  return Fold(*ast, std::move(node), terms);
}

Result<NodePtr> Binder::BindNot(Ast* ast, Place place) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr operand, BindNode(ast->kids[0].get(), Place{false, place.boolean}));
  LANCEFS_ASSIGN_OR_RETURN(operand, Boolean(*ast->kids[0], std::move(operand), "NOT"));
  return Call(*ast, arrow::boolean(), {std::move(operand)},
              [](const std::vector<Column>& in, int64_t rows) { return Not(in[0]); });
}

Result<NodePtr> Binder::BindNegate(Ast* ast) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr operand, BindNode(ast->kids[0].get(), {}));
  const TypePtr type = operand->type();
  if (type->id() == Type::NA) return operand;
  if (!IsNumeric(*type)) return Error(*ast, "the sign needs a number, this is " + type->ToString());
  if (ast->kind == AstKind::kPlus) return operand;
  if (IsUnsigned(*type)) return Error(*ast, "'-' needs a signed number, this is " + type->ToString());
  if (type->id() == Type::HALF_FLOAT) {
    LANCEFS_ASSIGN_OR_RETURN(operand, Cast(*ast, std::move(operand), arrow::float32()));
  }
  const TypePtr result = operand->type();
  return Call(*ast, result, {std::move(operand)},
              [](const std::vector<Column>& in, int64_t rows) { return Negate(in[0], rows); });
}

Result<NodePtr> Binder::CoerceLiterals(const Ast& ast, const TypePtr& type) {
  if (ast.kind == AstKind::kBinaryOp) {
    LANCEFS_ASSIGN_OR_RETURN(NodePtr left, CoerceLiterals(*ast.kids[0], type));
    LANCEFS_ASSIGN_OR_RETURN(NodePtr right, CoerceLiterals(*ast.kids[1], type));
    if (!left || !right) return NodePtr();
    if (ast.text == "||") return BindConcat(ast, std::move(left), std::move(right));
    return BindArithmetic(ast, std::move(left), std::move(right));
  }
  if (ast.kind == AstKind::kArray) {
    auto copy = std::make_unique<Ast>(AstKind::kArray, ast.pos);
    for (const AstPtr& kid : ast.kids) {
      if (!kid->IsLiteral()) return NodePtr();
      auto item = std::make_unique<Ast>(kid->kind, kid->pos, kid->text);
      copy->Add(std::move(item));
    }
    LANCEFS_ASSIGN_OR_RETURN(NodePtr list, BindArray(copy.get()));
    if (!IsListLike(*type) || type->id() == Type::MAP) return NodePtr();
    const bool fixed = type->id() == Type::FIXED_SIZE_LIST;
    const TypePtr target = fixed ? arrow::list(PlainType(static_cast<const arrow::BaseListType&>(*type).value_type())) : type;
    if (!CanCast(*list->type(), *target)) return NodePtr();
    return Cast(ast, std::move(list), target, true);  // items that do not fit are null, as in the reference
  }
  LANCEFS_ASSIGN_OR_RETURN(NodePtr literal, BindLiteral(ast));
  const TypePtr from = literal->type();
  if (from->id() == Type::NA) return Cast(ast, std::move(literal), type);
  bool fits = from->Equals(*type) || (IsString(*from) && IsString(*type));
  if (IsInteger(*from)) {
    const bool clock = type->id() == Type::TIME32;
    fits = IsInteger(*type) || IsFloat(*type) || (from->id() == Type::INT64 && (IsDecimal(*type) || clock));
  } else if (from->id() == Type::DOUBLE) {
    fits = IsFloat(*type);
  } else if (from->id() == Type::BINARY) {
    fits = type->id() == Type::BINARY || type->id() == Type::LARGE_BINARY ||
           (type->id() == Type::FIXED_SIZE_BINARY &&
            static_cast<int>(ast.text.size()) == static_cast<const arrow::FixedSizeBinaryType&>(*type).byte_width());
  }
  if (!fits) return NodePtr();
  auto cast = CastColumn(*ConstantOf(literal), type, true);
  if (!cast.ok() || cast->ConstantNull()) return NodePtr();
  if (type->id() == Type::HALF_FLOAT) {  // a number that turns into an infinity or a zero does not fit
    const float half = HalfToFloat(Values<uint16_t>(*cast)[0]);
    LANCEFS_ASSIGN_OR_RETURN(Column wide, CastColumn(*ConstantOf(literal), arrow::float64(), false));
    const double written = Values<double>(wide)[0];
    if ((std::isinf(half) && !std::isinf(written)) || (half == 0 && written != 0)) return NodePtr();
  }
  return NodePtr(std::make_shared<ConstantNode>(Column{cast->array, true}));
}

Result<NodePtr> Binder::Comparison(const Ast& ast, CompareOp op, NodePtr left, NodePtr right) const {
  TypePtr common = ComparisonType(left->type(), right->type());
  if (!common) return Error(ast, "cannot compare " + left->type()->ToString() + " with " + right->type()->ToString());
  // A literal moves to the type of the column rather than the column to the type of the literal.
  if (ConstantOf(left) || ConstantOf(right)) {
    NodePtr& constant = ConstantOf(right) ? right : left;
    NodePtr& other = ConstantOf(right) ? left : right;
    if (!ConstantOf(other)) {
      LANCEFS_ASSIGN_OR_RETURN(NodePtr literal, Cast(ast, constant, common));
      if (auto moved = MoveLiteral(*ConstantOf(literal), other->type(), op)) {
        literal = std::make_shared<ConstantNode>(*moved);
        common = other->type();
        while (const auto* cast = dynamic_cast<const CastNode*>(other.get())) {
          auto deeper = MoveLiteral(*ConstantOf(literal), cast->child()->type(), op);
          if (!deeper) break;
          literal = std::make_shared<ConstantNode>(*deeper);
          common = cast->child()->type();
          other = NodePtr(cast->child());
        }
      }
      constant = std::move(literal);
    }
  }
  if (common->id() == Type::HALF_FLOAT) {  // both sides are rounded to halves, then compared as floats
    LANCEFS_ASSIGN_OR_RETURN(left, Cast(ast, std::move(left), common));
    LANCEFS_ASSIGN_OR_RETURN(right, Cast(ast, std::move(right), common));
    common = arrow::float32();
  }
  if (PhysOf(*common) == Phys::kOther && op != CompareOp::kEq && op != CompareOp::kNe && op != CompareOp::kDistinct &&
      op != CompareOp::kNotDistinct) {
    return Error(ast, "values of type " + common->ToString() + " have no order");
  }
  LANCEFS_ASSIGN_OR_RETURN(left, Cast(ast, std::move(left), common));
  LANCEFS_ASSIGN_OR_RETURN(right, Cast(ast, std::move(right), common));
  return Call(ast, arrow::boolean(), {std::move(left), std::move(right)},
              [op](const std::vector<Column>& in, int64_t rows) { return Compare(op, in[0], in[1], rows); });
}

Result<NodePtr> Binder::BindBinary(Ast* ast, Place place) {
  Ast* left_ast = ast->kids[0].get();
  Ast* right_ast = ast->kids[1].get();
  NodePtr left;
  NodePtr right;
  if (place.resolve && left_ast->kind == AstKind::kName) {
    LANCEFS_ASSIGN_OR_RETURN(left, BindName(left_ast));
    if (IsLiteralChain(*right_ast)) {
      LANCEFS_ASSIGN_OR_RETURN(right, CoerceLiterals(*right_ast, left->type()));
    }
  } else if (place.resolve && right_ast->kind == AstKind::kName) {
    LANCEFS_ASSIGN_OR_RETURN(right, BindName(right_ast));
    if (left_ast->IsLiteral() || left_ast->kind == AstKind::kArray) {
      LANCEFS_ASSIGN_OR_RETURN(left, CoerceLiterals(*left_ast, right->type()));
    }
  }
  if (!left) {
    LANCEFS_ASSIGN_OR_RETURN(left, BindNode(left_ast, {}));
  }
  if (!right) {
    LANCEFS_ASSIGN_OR_RETURN(right, BindNode(right_ast, {}));
  }
  if (IsComparison(*ast)) return Comparison(*ast, CompareOpOf(*ast), std::move(left), std::move(right));
  if (ast->text == "||") return BindConcat(*ast, std::move(left), std::move(right));
  if (ast->text[0] == '~' || ast->text[0] == '!') return BindRegex(*ast, std::move(left), std::move(right));
  return BindArithmetic(*ast, std::move(left), std::move(right));
}

Result<NodePtr> Binder::BindArithmetic(const Ast& ast, NodePtr left, NodePtr right) {
  if (ast.text == "<<" || ast.text == ">>") {
    TypePtr type = ComparisonType(left->type(), right->type());
    if (!type || !IsInteger(*type)) return Error(ast, "'" + ast.text + "' takes integers");
    LANCEFS_ASSIGN_OR_RETURN(left, Cast(ast, std::move(left), type));
    LANCEFS_ASSIGN_OR_RETURN(right, Cast(ast, std::move(right), type));
    return Call(
        ast, type, {std::move(left), std::move(right)},
        [is_left = ast.text == "<<"](const std::vector<Column>& in, int64_t rows) { return Shift(is_left, in[0], in[1], rows); });
  }
  const ArithmeticTypes types = ArithmeticFor(ast.text, left->type(), right->type());
  if (!types.result) {
    return Error(ast, "cannot compute " + left->type()->ToString() + " " + ast.text + " " + right->type()->ToString());
  }
  LANCEFS_ASSIGN_OR_RETURN(left, Cast(ast, std::move(left), types.left));
  LANCEFS_ASSIGN_OR_RETURN(right, Cast(ast, std::move(right), types.right));
  const char op = ast.text[0];
  if (!IsNumeric(*types.result) || IsTemporal(*types.left)) {
    return Call(ast, types.result, {std::move(left), std::move(right)},
                [op, type = types.result](const std::vector<Column>& in, int64_t rows) {
                  return TemporalArithmetic(op, in[0], in[1], rows, type);
                });
  }
  if (types.result->id() == Type::HALF_FLOAT) {
    LANCEFS_ASSIGN_OR_RETURN(left, Cast(ast, std::move(left), arrow::float32()));
    LANCEFS_ASSIGN_OR_RETURN(right, Cast(ast, std::move(right), arrow::float32()));
  }
  const TypePtr type = types.result->id() == Type::HALF_FLOAT ? arrow::float32() : types.result;
  LANCEFS_ASSIGN_OR_RETURN(NodePtr result, Call(ast, type, {std::move(left), std::move(right)},
                                                [op, type](const std::vector<Column>& in, int64_t rows) {
                                                  return Arithmetic(op, in[0], in[1], rows, type);
                                                }));
  return Cast(ast, std::move(result), types.result);
}

Result<NodePtr> Binder::BindConcat(const Ast& ast, NodePtr left, NodePtr right) {
  if (!IsString(*left->type()) && !IsString(*right->type()) &&
      !(left->type()->id() == Type::NA && right->type()->id() == Type::NA)) {
    return Error(ast, "'||' needs a string, these are " + left->type()->ToString() + " and " + right->type()->ToString());
  }
  if (IsBinary(*left->type()) || IsBinary(*right->type())) return Error(ast, "'||' cannot join strings and binary values");
  const bool large = left->type()->id() == Type::LARGE_STRING || right->type()->id() == Type::LARGE_STRING;
  const TypePtr type = large ? arrow::large_utf8() : arrow::utf8();
  LANCEFS_ASSIGN_OR_RETURN(left, Cast(ast, std::move(left), type));
  LANCEFS_ASSIGN_OR_RETURN(right, Cast(ast, std::move(right), type));
  return Call(ast, type, {std::move(left), std::move(right)},
              [type](const std::vector<Column>& in, int64_t rows) { return ConcatStrings(in, rows, type); });
}

Result<NodePtr> Binder::BindRegex(const Ast& ast, NodePtr left, NodePtr right) {
  TypePtr type = LikeType(left->type(), right->type());
  if (!type || IsBinary(*left->type()))
    return Error(ast, "'" + ast.text + "' needs strings, the left side is " + left->type()->ToString());
  LANCEFS_ASSIGN_OR_RETURN(left, Cast(ast, std::move(left), type));
  LANCEFS_ASSIGN_OR_RETURN(right, Cast(ast, std::move(right), type));
  Status error;
  Kernel kernel = RegexKernel(ast.text.back() == '*', ast.text[0] == '!', ConstantOf(right), &error);
  if (!error.ok()) return Error(ast, error.message());
  return Call(ast, arrow::boolean(), {std::move(left), std::move(right)}, std::move(kernel));
}

Result<NodePtr> Binder::BindNullTested(Ast* ast) {
  only_nulls_ = ast->kind == AstKind::kName;
  Result<NodePtr> node = BindNode(ast, {});
  only_nulls_ = false;
  return node;
}

Result<NodePtr> Binder::BindIs(Ast* ast) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr operand,
                           ast->kind == AstKind::kIsNull ? BindNullTested(ast->kids[0].get()) : BindNode(ast->kids[0].get(), {}));
  const bool negated = ast->negated;
  const bool unknown = ast->kind == AstKind::kIsTruth && ast->text == "UNKNOWN";
  if (ast->kind == AstKind::kIsTruth) {
    LANCEFS_ASSIGN_OR_RETURN(operand, Boolean(*ast, std::move(operand), ("IS " + ast->text).c_str()));
  }
  if (auto column = std::dynamic_pointer_cast<const ColumnNode>(operand); column != nullptr && ast->kind == AstKind::kIsNull)
    return NodePtr(std::make_shared<NullCheckNode>(std::move(column), negated));
  if (ast->kind == AstKind::kIsNull || unknown) {
    return Call(*ast, arrow::boolean(), {std::move(operand)},
                [negated](const std::vector<Column>& in, int64_t rows) { return IsNull(in[0], rows, negated); });
  }
  return Call(*ast, arrow::boolean(), {std::move(operand)},
              [negated, truth = ast->text == "TRUE"](const std::vector<Column>& in, int64_t rows) {
                return IsTruth(in[0], rows, truth, negated);
              });
}

Result<NodePtr> Binder::BindIn(Ast* ast, Place place) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr value, BindNode(ast->kids[0].get(), {}));
  const bool strict = place.resolve && ast->kids[0]->kind == AstKind::kName && ast->kids[0]->names.size() == 1;
  std::vector<NodePtr> items;
  bool coerced = strict;
  for (size_t i = 1; i < ast->kids.size() && coerced; ++i) {
    if (!IsLiteralChain(*ast->kids[i])) {
      coerced = false;
      break;
    }
    LANCEFS_ASSIGN_OR_RETURN(NodePtr item, CoerceLiterals(*ast->kids[i], value->type()));
    coerced = item != nullptr;
    items.push_back(std::move(item));
  }
  TypePtr common = value->type();
  if (!coerced) {
    items.clear();
    for (size_t i = 1; i < ast->kids.size(); ++i) {
      LANCEFS_ASSIGN_OR_RETURN(NodePtr item, BindNode(ast->kids[i].get(), {}));
      TypePtr wider = ComparisonType(common, item->type());
      if (!wider) {
        return Error(*ast->kids[i], "cannot compare " + common->ToString() + " with " + item->type()->ToString() + " in IN");
      }
      common = std::move(wider);
      items.push_back(std::move(item));
    }
    LANCEFS_ASSIGN_OR_RETURN(const bool moved, MoveItems(value->type(), &items));
    if (moved) common = value->type();
  }
  if (common->id() == Type::HALF_FLOAT) common = arrow::float32();
  LANCEFS_ASSIGN_OR_RETURN(value, Cast(*ast, std::move(value), common));
  std::vector<Column> constants;
  for (size_t i = 0; i < items.size(); ++i) {
    LANCEFS_ASSIGN_OR_RETURN(items[i], Cast(*ast->kids[i + 1], std::move(items[i]), common));
    if (const Column* constant = ConstantOf(items[i])) constants.push_back(*constant);
  }
  if (constants.size() == items.size()) {
    if (NodePtr set = MakeInSet(value, constants, ast->negated)) return Fold(*ast, std::move(set), {value});
  }
  std::vector<NodePtr> terms;
  for (NodePtr& item : items) {
    LANCEFS_ASSIGN_OR_RETURN(NodePtr term, Comparison(*ast, ast->negated ? CompareOp::kNe : CompareOp::kEq, value, item));
    LANCEFS_ASSIGN_OR_RETURN(term, Boolean(*ast, std::move(term), "IN"));
    terms.push_back(std::move(term));
  }
  NodePtr logic = std::make_shared<LogicNode>(ast->negated, terms);
  return Fold(*ast, std::move(logic), terms);
}

Result<NodePtr> Binder::BindBetween(Ast* ast, Place place) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr value, BindNode(ast->kids[0].get(), {}));
  NodePtr bounds[2];
  const bool strict = place.resolve && ast->kids[0]->kind == AstKind::kName;
  bool coerced = strict;
  for (int i = 0; i < 2 && coerced; ++i) {
    if (!IsLiteralChain(*ast->kids[static_cast<size_t>(i) + 1])) continue;
    LANCEFS_ASSIGN_OR_RETURN(bounds[i], CoerceLiterals(*ast->kids[static_cast<size_t>(i) + 1], value->type()));
    coerced = bounds[i] != nullptr;
  }
  for (int i = 0; i < 2; ++i) {
    if (coerced && bounds[i]) continue;
    LANCEFS_ASSIGN_OR_RETURN(bounds[i], BindNode(ast->kids[static_cast<size_t>(i) + 1].get(), {}));
  }
  const bool negated = ast->negated;
  LANCEFS_ASSIGN_OR_RETURN(NodePtr low, Comparison(*ast, negated ? CompareOp::kLt : CompareOp::kGe, value, bounds[0]));
  LANCEFS_ASSIGN_OR_RETURN(NodePtr high, Comparison(*ast, negated ? CompareOp::kGt : CompareOp::kLe, value, bounds[1]));
  const std::vector<NodePtr> terms = {low, high};
  return Fold(*ast, std::make_shared<LogicNode>(!negated, terms), terms);
}

Result<NodePtr> Binder::BindLike(Ast* ast) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr value, BindNode(ast->kids[0].get(), {}));
  LANCEFS_ASSIGN_OR_RETURN(NodePtr pattern, BindNode(ast->kids[1].get(), {}));
  const TypePtr type = LikeType(value->type(), pattern->type());
  if (!type) {
    return Error(*ast, "LIKE needs strings, these are " + value->type()->ToString() + " and " + pattern->type()->ToString());
  }
  LANCEFS_ASSIGN_OR_RETURN(value, Cast(*ast, std::move(value), type));
  LANCEFS_ASSIGN_OR_RETURN(pattern, Cast(*ast, std::move(pattern), type));
  Status error;
  Kernel kernel = ast->kind == AstKind::kSimilar ? RegexKernel(false, ast->negated, ConstantOf(pattern), &error)
                                                 : LikeKernel(ast->flag, ast->negated, ast->text, ConstantOf(pattern), &error);
  if (!error.ok()) return Error(*ast, error.message());
  return Call(*ast, arrow::boolean(), {std::move(value), std::move(pattern)}, std::move(kernel));
}

Result<NodePtr> Binder::BindFunction(Ast* ast, Place place) {
  if (ast->text == "is_valid") {
    if (ast->kids.empty()) return Error(*ast, "is_valid() takes an argument");
    LANCEFS_ASSIGN_OR_RETURN(NodePtr operand, BindNullTested(ast->kids[0].get()));
    return Call(*ast, arrow::boolean(), {std::move(operand)},
                [](const std::vector<Column>& in, int64_t rows) { return IsNull(in[0], rows, true); });
  }
  std::vector<NodePtr> arguments;
  std::vector<TypePtr> types;
  std::vector<const Column*> constants;
  for (AstPtr& kid : ast->kids) {
    LANCEFS_ASSIGN_OR_RETURN(NodePtr argument, BindNode(kid.get(), {}));
    types.push_back(argument->type());
    arguments.push_back(std::move(argument));
  }
  for (const NodePtr& argument : arguments) constants.push_back(ConstantOf(argument));
  auto bound = lancefs::sql::BindFunction(ast->text, types, constants);
  if (!bound.ok()) return Error(*ast, bound.status().message());
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!bound->arguments[i]) continue;
    LANCEFS_ASSIGN_OR_RETURN(arguments[i], Cast(*ast->kids[i], std::move(arguments[i]), bound->arguments[i]));
  }
  if (bound->is_volatile) return NodePtr(std::make_shared<CallNode>(bound->type, std::move(arguments), bound->kernel));
  LANCEFS_ASSIGN_OR_RETURN(NodePtr node, Call(*ast, bound->type, std::move(arguments), bound->kernel));
  if (ast->text == "regexp_match" && place.boolean) {
    return Call(*ast, arrow::boolean(), {std::move(node)},
                [](const std::vector<Column>& in, int64_t rows) { return IsNull(in[0], rows, true); });
  }
  return node;
}

Result<NodePtr> Binder::BindCast(Ast* ast) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr operand, BindNode(ast->kids[0].get(), {}));
  return Cast(*ast, std::move(operand), ast->type, ast->flag);
}

Result<NodePtr> Binder::BindSubscript(Ast* ast) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr list, BindNode(ast->kids[0].get(), {}));
  LANCEFS_ASSIGN_OR_RETURN(NodePtr index, BindNode(ast->kids[1].get(), {}));
  auto bound = BindElement(list->type(), index->type());
  if (!bound.ok()) return Error(*ast, bound.status().message());
  LANCEFS_ASSIGN_OR_RETURN(index, Cast(*ast->kids[1], std::move(index), bound->arguments[1]));
  return Call(*ast, bound->type, {std::move(list), std::move(index)}, bound->kernel);
}

Result<NodePtr> Binder::BindField(Ast* ast) {
  LANCEFS_ASSIGN_OR_RETURN(NodePtr base, BindNode(ast->kids[0].get(), {}));
  if (base->type()->id() != Type::STRUCT) {
    return Error(*ast, base->type()->ToString() + " has no field '" + ast->text + "'");
  }
  const auto& fields = static_cast<const arrow::StructType&>(*base->type());
  const int index = fields.GetFieldIndex(ast->text);
  if (index < 0) return Error(*ast, "unknown field '" + ast->text + "'" + Suggestion(ast->text, NamesOf(fields.fields())));
  const TypePtr type = PlainType(fields.field(index)->type());
  return Call(*ast, type, {std::move(base)}, [name = ast->text](const std::vector<Column>& in, int64_t rows) -> Result<Column> {
    const auto& array = static_cast<const arrow::StructArray&>(*in[0].array);
    const int at = static_cast<const arrow::StructType&>(*array.type()).GetFieldIndex(name);
    if (at < 0) return Status::InvalidArgument("the batch has no field '" + name + "'");
    LANCEFS_ARROW_ASSIGN(auto raw, array.GetFlattenedField(at));
    LANCEFS_ASSIGN_OR_RETURN(auto plain, Plain(raw));
    return Column{std::move(plain), in[0].constant};
  });
}

Result<NodePtr> Binder::BindArray(Ast* ast) {
  std::vector<NodePtr> items;
  TypePtr type = arrow::null();
  for (AstPtr& kid : ast->kids) {
    LANCEFS_ASSIGN_OR_RETURN(NodePtr item, BindNode(kid.get(), {}));
    TypePtr wider = UnionType(type, item->type());
    if (!wider) return Error(*kid, "an array cannot hold " + type->ToString() + " and " + item->type()->ToString());
    type = std::move(wider);
    items.push_back(std::move(item));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    LANCEFS_ASSIGN_OR_RETURN(items[i], Cast(*ast->kids[i], std::move(items[i]), type));
  }
  return Call(*ast, arrow::list(type), std::move(items),
              [type](const std::vector<Column>& in, int64_t rows) { return MakeList(in, rows, type); });
}

Result<NodePtr> Binder::BindCase(Ast* ast) {
  const size_t first = ast->flag ? 1 : 0;
  const size_t pairs_end = ast->kids.size() - (ast->negated ? 1 : 0);
  NodePtr operand;
  if (ast->flag) {
    LANCEFS_ASSIGN_OR_RETURN(operand, BindNode(ast->kids[0].get(), {}));
  }
  std::vector<NodePtr> conditions;
  std::vector<NodePtr> values;
  TypePtr type = arrow::null();
  auto widen = [&](const Ast& kid, const NodePtr& value) -> Status {
    TypePtr wider = UnionType(type, value->type());
    if (!wider) return Error(kid, "CASE cannot give " + type->ToString() + " and " + value->type()->ToString());
    type = std::move(wider);
    return Status::OK();
  };
  for (size_t i = first; i < pairs_end; i += 2) {
    LANCEFS_ASSIGN_OR_RETURN(NodePtr condition, BindNode(ast->kids[i].get(), {}));
    if (operand) {
      LANCEFS_ASSIGN_OR_RETURN(condition, Comparison(*ast->kids[i], CompareOp::kEq, operand, std::move(condition)));
    }
    LANCEFS_ASSIGN_OR_RETURN(condition, Boolean(*ast->kids[i], std::move(condition), "WHEN"));
    conditions.push_back(std::move(condition));
    LANCEFS_ASSIGN_OR_RETURN(NodePtr value, BindNode(ast->kids[i + 1].get(), {}));
    LANCEFS_RETURN_NOT_OK(widen(*ast->kids[i + 1], value));
    values.push_back(std::move(value));
  }
  NodePtr otherwise;
  if (ast->negated) {
    LANCEFS_ASSIGN_OR_RETURN(otherwise, BindNode(ast->kids.back().get(), {}));
    LANCEFS_RETURN_NOT_OK(widen(*ast->kids.back(), otherwise));
    LANCEFS_ASSIGN_OR_RETURN(otherwise, Cast(*ast, std::move(otherwise), type));
  }
  for (NodePtr& value : values) {
    LANCEFS_ASSIGN_OR_RETURN(value, Cast(*ast, std::move(value), type));
  }
  std::vector<NodePtr> all = conditions;
  all.insert(all.end(), values.begin(), values.end());
  if (otherwise) all.push_back(otherwise);
  return Fold(*ast, std::make_shared<CaseNode>(type, std::move(conditions), std::move(values), std::move(otherwise)), all);
}

Result<NodePtr> Binder::BindInterval(const Ast& ast) const {
  arrow::MonthDayNanoIntervalType::MonthDayNanos value{0, 0, 0};
  if (!ParseInterval(ast.text, &value)) return Error(ast, "cannot read the interval '" + ast.text + "'");
  return ConstantOfScalar(std::make_shared<arrow::MonthDayNanoIntervalScalar>(value));
}

}  // namespace lancefs::sql
