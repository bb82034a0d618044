#include "engine/format/column_read.h"
#include "engine/sql/expression.h"
#include "engine/rows/row_reader.h"
#include "engine/format/data_file_writer.h"
#include "engine/format/deletion_vector.h"
#include "engine/format/row_ids.h"
namespace lancefs {
Result<std::unique_ptr<ColumnRead>> MakeColumnReadStructural(const std::shared_ptr<LanceFile>&, const Field&, const FieldColumns&, const ColumnInfos&, RowSelection){ return Status::NotSupported("stub");}
Result<std::shared_ptr<const Expression>> ParseFilter(std::string_view, const arrow::Schema&){return Status::NotSupported("stub");}
Result<std::vector<SelectItem>> ParseSelectList(std::string_view, const arrow::Schema&){return Status::NotSupported("stub");}
Result<std::shared_ptr<arrow::BooleanArray>> EvaluateFilter(const Expression&, const arrow::RecordBatch&){return Status::NotSupported("stub");}
Result<std::unique_ptr<RowReader>> RowReader::Open(const std::string&, RowFormat, Compression, const RowReaderOptions&){return Status::NotSupported("stub");}
Result<RowFileFormat> DetectRowFormat(const std::string&, const std::string&){return Status::NotSupported("stub");}
Result<std::unique_ptr<DataFileWriter>> DataFileWriter::Make(std::unique_ptr<ObjectWriter>, const Schema&, const DataFileWriterOptions&){return Status::NotSupported("stub");}
Result<std::shared_ptr<const DeletionVector>> DeletionVector::Parse(const pb::DeletionFile&, const Bytes&, uint64_t){return Status::NotSupported("stub");}
uint64_t DeletionVector::Count() const {return 0;}
RowSelection DeletionVector::LiveRanges(uint64_t, uint64_t) const {return {};}
uint64_t DeletionVector::NthLive(uint64_t) const {return 0;}
std::string DeletionFileName(uint64_t, const pb::DeletionFile&){return "";}
Result<std::vector<uint64_t>> DecodeRowIds(const std::string&, uint64_t){return Status::NotSupported("stub");}
std::string EncodeRowIdRange(uint64_t, uint64_t){return "";}
std::string EncodeVersionRun(uint64_t, uint64_t){return "";}
}
