// SPDX-License-Identifier: Apache-2.0
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <arrow/util/byte_size.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include <algorithm>
#include <mutex>

#include "engine/rows/binary_writer.h"
#include "engine/rows/sink_stream.h"

namespace lancefs {
namespace {

using arrow::Type;

// The two bounds of a row group, which is held encoded until it is full.
constexpr int64_t kRowsPerGroup = 128 * 1024;
constexpr int64_t kBytesPerGroup = 64 * 1024 * 1024;
// Encoded at once.
constexpr int64_t kBytesPerPiece = 8 * 1024 * 1024;

// Parquet's writer throws where it did not expect trouble.
template <typename Call>
arrow::Status Guarded(Call&& call) {
  try {
    return call();
  } catch (const ::parquet::ParquetException& e) {
    return arrow::Status::IOError(e.what());
  } catch (const std::bad_alloc&) {
    return arrow::Status::OutOfMemory("writing Parquet");
  } catch (const std::exception& e) {
    return arrow::Status::UnknownError(e.what());
  }
}

// --- types that Parquet cannot hold become the nearest that it can (docs/formats.md) ---

std::shared_ptr<arrow::DataType> ParquetType(const std::shared_ptr<arrow::DataType>& type);

std::shared_ptr<arrow::Field> ParquetField(const std::shared_ptr<arrow::Field>& field) {
  return field->WithType(ParquetType(field->type()));
}
std::shared_ptr<arrow::DataType> ParquetDecimal(const arrow::DecimalType& type) {
  const int precision = type.precision() - type.scale();
  return precision <= 38 ? arrow::decimal128(precision, 0) : arrow::decimal256(std::min(precision, 76), 0);
}

std::shared_ptr<arrow::DataType> ParquetType(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case Type::RUN_END_ENCODED: return ParquetType(static_cast<const arrow::RunEndEncodedType&>(*type).value_type());
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(*type);
      return decimal.scale() < 0 ? ParquetDecimal(decimal) : type;
    }
    case Type::TIME32: return arrow::time32(arrow::TimeUnit::MILLI);
    case Type::TIMESTAMP: {
      const auto& stamp = static_cast<const arrow::TimestampType&>(*type);
      return stamp.unit() == arrow::TimeUnit::SECOND ? arrow::timestamp(arrow::TimeUnit::MILLI, stamp.timezone()) : type;
    }
    case Type::LIST: return arrow::list(ParquetField(type->field(0)));
    case Type::LARGE_LIST: return arrow::large_list(ParquetField(type->field(0)));
    case Type::LIST_VIEW: return arrow::list_view(ParquetField(type->field(0)));
    case Type::LARGE_LIST_VIEW: return arrow::large_list_view(ParquetField(type->field(0)));
    case Type::FIXED_SIZE_LIST: {
      const int size = static_cast<const arrow::FixedSizeListType&>(*type).list_size();
      if (size == 0) return arrow::list(ParquetField(type->field(0)));
      return arrow::fixed_size_list(ParquetField(type->field(0)), size);
    }
    case Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      return std::make_shared<arrow::MapType>(ParquetField(map.key_field()), ParquetField(map.item_field()), map.keys_sorted());
    }
    case Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) fields.push_back(ParquetField(field));
      return arrow::struct_(std::move(fields));
    }
    default: return type;
  }
}

using Data = std::shared_ptr<arrow::ArrayData>;
arrow::Result<Data> ToParquet(const Data& data, const std::shared_ptr<arrow::DataType>& type);

// Null values of a dictionary become null indices.
arrow::Result<Data> WithoutNullValues(const Data& data) {
  const auto values = arrow::MakeArray(data->dictionary);
  if (values->null_count() == 0) return data;
  ARROW_ASSIGN_OR_RAISE(arrow::Datum decoded, arrow::compute::Cast(arrow::MakeArray(data), values->type()));
  ARROW_ASSIGN_OR_RAISE(arrow::Datum encoded, arrow::compute::DictionaryEncode(decoded));
  ARROW_ASSIGN_OR_RAISE(arrow::Datum same, arrow::compute::Cast(encoded, data->type));
  return same.make_array()->data();
}

// A list without elements for every row.
arrow::Result<Data> EmptyLists(const Data& data, const std::shared_ptr<arrow::DataType>& type) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets, arrow::AllocateBuffer((data->offset + data->length + 1) * 4));
  std::fill_n(offsets->mutable_data(), offsets->size(), uint8_t{0});
  auto out = std::make_shared<arrow::ArrayData>(*data);
  out->type = type;
  out->buffers = {data->buffers[0], std::move(offsets)};
  ARROW_ASSIGN_OR_RAISE(out->child_data[0], ToParquet(data->child_data[0], type->field(0)->type()));
  return out;
}

arrow::Result<Data> ToParquet(const Data& data, const std::shared_ptr<arrow::DataType>& type) {
  switch (data->type->id()) {
    case Type::RUN_END_ENCODED: {
      ARROW_ASSIGN_OR_RAISE(arrow::Datum plain, arrow::compute::RunEndDecode(data));
      return ToParquet(plain.make_array()->data(), type);
    }
    case Type::DICTIONARY: return WithoutNullValues(data);
    case Type::FIXED_SIZE_LIST:
      if (type->id() == Type::LIST) return EmptyLists(data, type);
      break;
    case Type::DECIMAL32:
    case Type::DECIMAL64:
    case Type::DECIMAL128:
    case Type::DECIMAL256:
    case Type::TIME32:
    case Type::TIMESTAMP: {
      if (type->Equals(*data->type)) return data;
      ARROW_ASSIGN_OR_RAISE(arrow::Datum cast, arrow::compute::Cast(data, type));
      return cast.make_array()->data();
    }
    default: break;
  }
  if (data->child_data.empty()) return data;
  auto out = std::make_shared<arrow::ArrayData>(*data);
  out->type = type;
  for (size_t i = 0; i < data->child_data.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(out->child_data[i], ToParquet(data->child_data[i], type->field(static_cast<int>(i))->type()));
  }
  return out;
}

class ParquetWriter : public RowWriter {
 public:
  ParquetWriter(std::shared_ptr<arrow::Schema> schema, std::shared_ptr<SinkStream> stream,
                std::unique_ptr<parquet::arrow::FileWriter> writer)
      : schema_(std::move(schema)), stream_(std::move(stream)), writer_(std::move(writer)) {}

  Status Write(const arrow::RecordBatch& batch) override {
    return stream_->Explain(Guarded([&] { return WritePieces(batch); }));
  }
  Status Finish() override {
    return stream_->Explain(Guarded([&] { return writer_->Close(); }));
  }

 private:
  arrow::Status WritePieces(const arrow::RecordBatch& batch) {
    const int64_t rows = batch.num_rows();
    if (rows == 0) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const int64_t bytes, arrow::util::ReferencedBufferSize(batch));
    const int64_t per_row = std::max<int64_t>(1, bytes / rows);
    const int64_t step = std::clamp<int64_t>(kBytesPerPiece / per_row, 1, kRowsPerGroup);
    for (int64_t at = 0; at < rows; at += step) {
      const int64_t count = std::min(step, rows - at);
      if (group_bytes_ > 0 && group_bytes_ + count * per_row > kBytesPerGroup) {
        ARROW_RETURN_NOT_OK(writer_->NewBufferedRowGroup());
        group_bytes_ = group_rows_ = 0;
      }
      ARROW_RETURN_NOT_OK(WritePiece(*batch.Slice(at, count)));
      group_bytes_ += count * per_row;
      group_rows_ += count;
      // The writer itself begins a new group after so many rows.
      if (group_rows_ >= kRowsPerGroup) {
        group_bytes_ = group_rows_ % kRowsPerGroup * per_row;
        group_rows_ %= kRowsPerGroup;
      }
    }
    return arrow::Status::OK();
  }

  arrow::Status WritePiece(const arrow::RecordBatch& batch) {
    arrow::ArrayVector columns;
    for (int i = 0; i < batch.num_columns(); ++i) {
      auto converted = ToParquet(batch.column_data(i), schema_->field(i)->type());
      if (!converted.ok()) {
        return converted.status().WithMessage("column '", schema_->field(i)->name(), "': ", converted.status().message());
      }
      columns.push_back(arrow::MakeArray(*converted));
    }
    return writer_->WriteRecordBatch(*arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns)));
  }

  const std::shared_ptr<arrow::Schema> schema_;  // as Parquet holds it
  const std::shared_ptr<SinkStream> stream_;
  const std::unique_ptr<parquet::arrow::FileWriter> writer_;
  int64_t group_rows_ = 0;
  int64_t group_bytes_ = 0;
};

Status InitializeCompute() {
  static const arrow::Status status = arrow::compute::Initialize();
  return FromArrow(status);
}

}  // namespace

Result<std::unique_ptr<RowWriter>> MakeParquetWriter(std::shared_ptr<arrow::Schema> schema, ByteSink sink) {
  LANCEFS_RETURN_NOT_OK(InitializeCompute());
  auto stream = std::make_shared<SinkStream>(std::move(sink));
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) fields.push_back(ParquetField(field));
  schema = arrow::schema(std::move(fields), schema->metadata());
  auto properties = parquet::WriterProperties::Builder()
                        .compression(parquet::Compression::ZSTD)
                        ->compression_level(1)
                        ->max_row_group_length(kRowsPerGroup)
                        ->build();
  // Element names as in the Arrow schema, so that types come back as they were.
  auto arrow_properties =
      parquet::ArrowWriterProperties::Builder().store_schema()->disable_compliant_nested_types()->set_use_threads(false)->build();
  std::unique_ptr<parquet::arrow::FileWriter> writer;
  const arrow::Status status = Guarded([&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(
        writer, parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), stream, properties, arrow_properties));
    return arrow::Status::OK();
  });
  LANCEFS_RETURN_NOT_OK(stream->Explain(status).WithContext("Parquet"));
  return std::unique_ptr<RowWriter>(new ParquetWriter(std::move(schema), std::move(stream), std::move(writer)));
}

}  // namespace lancefs
