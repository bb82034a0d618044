// SPDX-License-Identifier: Apache-2.0
#include "engine/sql/expression.h"

#include <arrow/compute/initialize.h>

#include <map>
#include <mutex>
#include <unordered_set>

#include "base/trim.h"
#include "engine/sql/binder.h"
#include "engine/sql/cast.h"
#include "engine/sql/functions.h"
#include "engine/sql/lexer.h"
#include "engine/sql/parser.h"

namespace lancefs {
namespace {

using sql::Ast;
using sql::AstKind;
using sql::AstPtr;
using sql::Binder;
using sql::Column;
using sql::NodePtr;

class BoundExpression : public Expression {
 public:
  BoundExpression(NodePtr node, std::string text, bool is_or, std::set<std::string> columns,
                  std::set<std::vector<std::string>> paths, std::set<std::vector<std::string>> value_paths)
      : node_(std::move(node)),
        text_(std::move(text)),
        is_or_(is_or),
        columns_(std::move(columns)),
        paths_(std::move(paths)),
        value_paths_(std::move(value_paths)) {
    column_ = dynamic_cast<const sql::ColumnNode*>(node_.get());
    type_ = column_ ? column_->raw_type() : node_->type();
  }

  const std::shared_ptr<arrow::DataType>& type() const override { return type_; }
  std::string ToString() const override { return text_; }
  const std::set<std::string>& columns() const override { return columns_; }
  const std::set<std::vector<std::string>>& column_paths() const override { return paths_; }
  const std::set<std::vector<std::string>>& value_paths() const override { return value_paths_; }
  Result<std::shared_ptr<arrow::Array>> Evaluate(const arrow::RecordBatch& batch) const override {
    if (column_) return column_->Read(batch);
    LANCEFS_ASSIGN_OR_RETURN(Column column, node_->Evaluate(batch));
    if (column.constant && batch.num_rows() == 0) return column.array->Slice(0, 0);
    return Materialize(column, batch.num_rows());
  }

  const NodePtr& node() const { return node_; }
  bool is_or() const { return is_or_; }

 private:
  NodePtr node_;
  const sql::ColumnNode* column_ = nullptr;
  std::shared_ptr<arrow::DataType> type_;
  std::string text_;
  bool is_or_;  // an OR stands at the top
  std::set<std::string> columns_;
  std::set<std::vector<std::string>> paths_;
  std::set<std::vector<std::string>> value_paths_;
};

using ExpressionPtr = std::shared_ptr<const Expression>;

void InitializeCompute() {
  static std::once_flag once;
  std::call_once(once, [] { (void)arrow::compute::Initialize(); });
}

// Runs `make`, turning what a library throws into a Status.
template <typename Make>
auto Guarded(Make&& make) -> decltype(make()) {
  try {
    InitializeCompute();
    return make();
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted("out of memory in an SQL expression");
  } catch (const std::exception& error) {
    return Status::Internal(std::string("SQL expression: ") + error.what());
  }
}

Result<ExpressionPtr> BindAst(std::string_view text, const arrow::Schema& schema, Ast* ast, bool as_filter) {
  Binder binder(text, schema);
  LANCEFS_ASSIGN_OR_RETURN(NodePtr node, binder.Bind(ast, as_filter));
  if (as_filter && node->type()->id() != arrow::Type::BOOL) {
    const std::string reason = "a filter must be boolean, this is " + node->type()->ToString();
    return text.empty() ? Status::InvalidArgument(reason) : sql::ErrorAt(text, 0, reason);
  }
  return ExpressionPtr(std::make_shared<BoundExpression>(std::move(node), sql::ToSql(*ast), ast->kind == AstKind::kOr,
                                                         binder.columns(), binder.paths(), binder.value_paths()));
}

std::vector<std::string> FieldNames(const arrow::Schema& schema) { return schema.field_names(); }

AstPtr NameAst(std::vector<std::string> path) {
  auto ast = std::make_unique<Ast>(AstKind::kName, 0);
  ast->quoted = true;
  ast->names = std::move(path);
  return ast;
}

// "a", "a.b" (a column of that very name first), parts may stand in backticks.
Result<std::vector<std::string>> ColumnPath(std::string_view column, const arrow::Schema& schema) {
  const std::string whole(column);
  if (schema.GetFieldIndex(whole) >= 0 || sql::IsSystemColumn(whole)) return std::vector<std::string>{whole};
  auto ast = sql::Parse(column);
  if (ast.ok() && (*ast)->kind == AstKind::kName) {
    std::vector<std::string> path = (*ast)->names;
    if (schema.GetFieldIndex(path[0]) >= 0) return path;
  }
  for (size_t dot = whole.find('.'); dot != std::string::npos; dot = whole.find('.', dot + 1)) {  // names with odd characters
    if (schema.GetFieldIndex(whole.substr(0, dot)) < 0) continue;
    std::vector<std::string> path = {whole.substr(0, dot)};
    for (size_t start = dot + 1; start <= whole.size();) {
      const size_t end = std::min(whole.find('.', start), whole.size());
      path.push_back(whole.substr(start, end - start));
      start = end + 1;
    }
    return path;
  }
  const std::string nearest = NearestColumn(whole, schema);
  return Status::InvalidArgument("unknown column '" + whole + "'" + (nearest.empty() ? "" : ", did you mean '" + nearest + "'?"));
}

// The items of `in=a,b,'c,d'`: quotes around a whole item protect commas, '' is a quote in them.
std::vector<std::string> SplitValues(std::string_view text) {
  std::vector<std::string> items;
  size_t at = 0;
  for (;;) {
    std::string item;
    if (at < text.size() && text[at] == '\'') {
      size_t end = at + 1;
      bool closed = false;
      while (end < text.size() && !closed) {
        if (text[end] != '\'') {
          item.push_back(text[end++]);
        } else if (end + 1 < text.size() && text[end + 1] == '\'') {
          item.push_back('\'');
          end += 2;
        } else {
          closed = true;
          ++end;
        }
      }
      if (closed && (end == text.size() || text[end] == ',')) {
        items.push_back(std::move(item));
        if (end == text.size()) return items;
        at = end + 1;
        continue;
      }
    }
    const size_t comma = std::min(text.find(',', at), text.size());
    items.emplace_back(text.substr(at, comma - at));
    if (comma == text.size()) return items;
    at = comma + 1;
  }
}

Status CheckTyped(std::string_view column, const std::shared_ptr<arrow::DataType>& type, const std::string& value) {
  const arrow::Schema empty({});
  Binder binder("", empty);
  auto constant = binder.TypedConstant(value, type);
  if (constant.ok()) return Status::OK();
  return Status::InvalidArgument("column '" + std::string(column) + "' is " + type->ToString() + ", '" + value +
                                 "' is no such value");
}

// `value` as a literal that the binder reads in the column's type.
AstPtr TypedValue(const std::string& value, const std::shared_ptr<arrow::DataType>& type) {
  auto text = std::make_unique<Ast>(AstKind::kString, 0, value);
  if (sql::IsString(*type)) return text;
  auto cast = std::make_unique<Ast>(AstKind::kCast, 0);
  cast->type = type;
  cast->Add(std::move(text));
  return cast;
}

Result<AstPtr> PredicateAst(std::string_view column, std::string_view op, std::string_view value, AstPtr name,
                            const std::shared_ptr<arrow::DataType>& type) {
  const std::string text(value);
  if (op == "isnull") {
    if (text != "true" && text != "false") return Status::InvalidArgument("isnull takes true or false, not '" + text + "'");
    auto ast = std::make_unique<Ast>(AstKind::kIsNull, 0, "NULL");
    ast->negated = text == "false";
    ast->Add(std::move(name));
    return ast;
  }
  if (op == "like" || (op == "contains" && sql::IsString(*type))) {
    if (!sql::IsString(*type))
      return Status::InvalidArgument("like needs a string column, '" + std::string(column) + "' is " + type->ToString());
    auto ast = std::make_unique<Ast>(op == "like" ? AstKind::kLike : AstKind::kFunction, 0, op == "like" ? "" : "contains");
    ast->Add(std::move(name));
    ast->Add(std::make_unique<Ast>(AstKind::kString, 0, text));
    return ast;
  }
  auto value_type = type;
  if (op == "contains") {
    if (!sql::IsListLike(*type) || type->id() == arrow::Type::MAP) {
      return Status::InvalidArgument("contains needs a string or list column, '" + std::string(column) + "' is " +
                                     type->ToString());
    }
    value_type = sql::PlainType(static_cast<const arrow::BaseListType&>(*type).value_type());
  }
  if (sql::PhysOf(*value_type) == sql::Phys::kOther || !sql::CanCast(*arrow::utf8(), *value_type)) {
    return Status::InvalidArgument("column '" + std::string(column) + "' is " + type->ToString() + ", it takes isnull only");
  }
  const std::vector<std::string> values = op == "in" ? SplitValues(value) : std::vector<std::string>{text};
  for (const std::string& item : values) LANCEFS_RETURN_NOT_OK(CheckTyped(column, value_type, item));
  auto ast = std::make_unique<Ast>(op == "contains" ? AstKind::kFunction : op == "in" ? AstKind::kInList : AstKind::kBinaryOp, 0);
  ast->Add(std::move(name));
  for (const std::string& item : values) ast->Add(TypedValue(item, value_type));
  static const std::map<std::string_view, const char*> kOps = {{"eq", "="}, {"ne", "!="}, {"lt", "<"}, {"le", "<="},
                                                               {"gt", ">"}, {"ge", ">="}, {"in", ""},  {"contains", "array_has"}};
  const auto found = kOps.find(op);
  if (found == kOps.end()) {
    return Status::InvalidArgument("unknown operator '" + std::string(op) +
                                   "' (known: eq ne lt le gt ge in like isnull contains)");
  }
  ast->text = found->second;
  return ast;
}

Result<SelectItem> BindItem(std::string_view list, const arrow::Schema& schema, sql::ParsedItem item) {
  SelectItem out;
  const std::string source(Trim(list.substr(item.pos, item.end - item.pos), " \t\n"));
  // A column's very name wins, whatever it would mean as an expression.
  if (schema.GetFieldIndex(source) >= 0) item.expression = NameAst({source});
  const bool is_name = item.expression->kind == AstKind::kName;
  LANCEFS_ASSIGN_OR_RETURN(out.expression, BindAst(list, schema, item.expression.get(), false));
  if (is_name) {
    out.path = item.expression->names;
    for (const std::string& part : out.path) out.name += (out.name.empty() ? "" : ".") + part;
  } else {
    out.name = source;
  }
  if (!item.alias.empty()) out.name = item.alias;
  return out;
}

}  // namespace

Result<ExpressionPtr> ParseExpression(std::string_view text, const arrow::Schema& schema) {
  return Guarded([&]() -> Result<ExpressionPtr> {
    LANCEFS_ASSIGN_OR_RETURN(AstPtr ast, sql::Parse(text));
    return BindAst(text, schema, ast.get(), false);
  });
}

Result<ExpressionPtr> ParseFilter(std::string_view text, const arrow::Schema& schema) {
  return Guarded([&]() -> Result<ExpressionPtr> {
    LANCEFS_ASSIGN_OR_RETURN(AstPtr ast, sql::Parse(text, true));
    return BindAst(text, schema, ast.get(), true);
  });
}

ExpressionPtr AndExpressions(ExpressionPtr left, ExpressionPtr right) {
  if (!left) return right;
  if (!right) return left;
  const auto& a = static_cast<const BoundExpression&>(*left);
  const auto& b = static_cast<const BoundExpression&>(*right);
  auto columns = a.columns();
  columns.insert(b.columns().begin(), b.columns().end());
  auto paths = a.column_paths();
  paths.insert(b.column_paths().begin(), b.column_paths().end());
  auto value_paths = a.value_paths();
  value_paths.insert(b.value_paths().begin(), b.value_paths().end());
  auto text = [](const BoundExpression& e) { return e.is_or() ? "(" + e.ToString() + ")" : e.ToString(); };
  NodePtr node = std::make_shared<sql::LogicNode>(true, std::vector<NodePtr>{a.node(), b.node()});
  return std::make_shared<BoundExpression>(std::move(node), text(a) + " AND " + text(b), false, std::move(columns),
                                           std::move(paths), std::move(value_paths));
}

Result<std::shared_ptr<arrow::BooleanArray>> EvaluateFilter(const Expression& filter, const arrow::RecordBatch& batch) {
  return Guarded([&]() -> Result<std::shared_ptr<arrow::BooleanArray>> {
    if (filter.type()->id() != arrow::Type::BOOL)
      return Status::InvalidArgument("the filter is not boolean: " + filter.ToString());
    LANCEFS_ASSIGN_OR_RETURN(auto array, filter.Evaluate(batch));
    if (array->null_count() == 0 && array->type_id() == arrow::Type::BOOL)
      return std::static_pointer_cast<arrow::BooleanArray>(array);
    LANCEFS_ASSIGN_OR_RETURN(Column truth, sql::IsTruth(Column{array, false}, batch.num_rows(), true, false));
    return std::static_pointer_cast<arrow::BooleanArray>(truth.array);
  });
}

Result<std::vector<SelectItem>> ParseSelectList(std::string_view list, const arrow::Schema& schema) {
  return Guarded([&]() -> Result<std::vector<SelectItem>> {
    std::vector<SelectItem> items;
    std::unordered_set<std::string> names;
    auto add = [&](SelectItem item, size_t pos) -> Status {
      if (!names.insert(item.name).second) return sql::ErrorAt(list, pos, "the name '" + item.name + "' is given twice");
      items.push_back(std::move(item));
      return Status::OK();
    };
    if (schema.GetFieldIndex(std::string(list)) >= 0) {  // one column of that very name
      sql::ParsedItem whole;
      whole.end = list.size();
      LANCEFS_ASSIGN_OR_RETURN(SelectItem item, BindItem(list, schema, std::move(whole)));
      LANCEFS_RETURN_NOT_OK(add(std::move(item), 0));
      return items;
    }
    LANCEFS_ASSIGN_OR_RETURN(auto parsed, sql::ParseList(list));
    for (sql::ParsedItem& one : parsed) {
      const size_t pos = one.pos;
      if (one.expression) {
        LANCEFS_ASSIGN_OR_RETURN(SelectItem item, BindItem(list, schema, std::move(one)));
        LANCEFS_RETURN_NOT_OK(add(std::move(item), pos));
        continue;
      }
      for (const auto& field : schema.fields()) {  // *
        AstPtr name = NameAst({field->name()});
        LANCEFS_ASSIGN_OR_RETURN(auto expression, BindAst(list, schema, name.get(), false));
        LANCEFS_RETURN_NOT_OK(add(SelectItem{field->name(), std::move(expression), {field->name()}}, pos));
      }
    }
    return items;
  });
}

Result<ExpressionPtr> MakeColumnPredicate(std::string_view column, std::string_view op, std::string_view value,
                                          const arrow::Schema& schema) {
  return Guarded([&]() -> Result<ExpressionPtr> {
    LANCEFS_ASSIGN_OR_RETURN(auto path, ColumnPath(column, schema));
    Binder binder("", schema);
    AstPtr name = NameAst(std::move(path));
    LANCEFS_ASSIGN_OR_RETURN(NodePtr node, binder.Bind(name.get(), false));
    LANCEFS_ASSIGN_OR_RETURN(AstPtr ast, PredicateAst(column, op, value, std::move(name), node->type()));
    return BindAst("", schema, ast.get(), true);
  });
}

std::string NearestColumn(std::string_view name, const arrow::Schema& schema) {
  return sql::NearestName(name, FieldNames(schema));
}

}  // namespace lancefs
