#include "engine/sql/expression.h"
namespace lancefs {
Result<std::shared_ptr<const Expression>> ParseFilter(std::string_view, const arrow::Schema&){return Status::NotSupported("stub");}
Result<std::vector<SelectItem>> ParseSelectList(std::string_view, const arrow::Schema&){return Status::NotSupported("stub");}
Result<std::shared_ptr<arrow::BooleanArray>> EvaluateFilter(const Expression&, const arrow::RecordBatch&){return Status::NotSupported("stub");}
}
