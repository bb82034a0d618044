// SPDX-License-Identifier: Apache-2.0
#include <arrow/array/concatenate.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>

#include <map>
#include <numeric>

#include "engine/arrow_status.h"
#include "engine/rows/binary_writer.h"
#include "engine/rows/sink_stream.h"

namespace lancefs {
namespace {

using Data = std::shared_ptr<arrow::ArrayData>;

// Makes one growing dictionary of those that batches bring, as an IPC file has one dictionary a field, which may only grow.
class DictionaryMerger {
 public:
  // `data` with all its dictionaries, at any depth, replaced by the merged ones.
  arrow::Result<Data> Merge(const Data& data, const std::string& path) {
    if (data->type->id() == arrow::Type::DICTIONARY) return MergeOne(data, &states_[path], path);
    if (data->child_data.empty()) return data;
    Data out = data;
    for (size_t i = 0; i < data->child_data.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(Data child, Merge(data->child_data[i], path + "." + std::to_string(i)));
      if (child == data->child_data[i]) continue;
      if (out == data) out = std::make_shared<arrow::ArrayData>(*data);
      out->child_data[i] = std::move(child);
    }
    return out;
  }

 private:
  struct State {
    std::shared_ptr<arrow::Array> merged;
    // The last dictionary that came, and where its values stand in `merged` (empty: at the same places).
    Data last;
    std::shared_ptr<arrow::Buffer> places;
  };

  arrow::Result<Data> MergeOne(const Data& data, State* state, const std::string& path) {
    const auto incoming = arrow::MakeArray(data->dictionary);
    if (data->dictionary != state->last) {
      ARROW_RETURN_NOT_OK(Learn(incoming, static_cast<const arrow::DictionaryType&>(*data->type), state, path));
      state->last = data->dictionary;
    }
    if (state->places == nullptr) {
      auto out = std::make_shared<arrow::ArrayData>(*data);
      out->dictionary = state->merged->data();
      return out;
    }
    const arrow::DictionaryArray array(data);
    ARROW_ASSIGN_OR_RAISE(const auto moved, array.Transpose(data->type, state->merged, state->places->data_as<int32_t>()));
    return moved->data();
  }

  static arrow::Status Learn(const std::shared_ptr<arrow::Array>& incoming, const arrow::DictionaryType& type, State* state,
                             const std::string& path) {
    state->places = nullptr;
    const int64_t known = state->merged == nullptr ? 0 : state->merged->length();
    if (known <= incoming->length() && (known == 0 || incoming->RangeEquals(*state->merged, 0, known, 0))) {
      state->merged = incoming;
      return arrow::Status::OK();
    }
    if (incoming->length() < known && state->merged->RangeEquals(*incoming, 0, incoming->length(), 0)) return arrow::Status::OK();
    auto merged = Unify(incoming, type, state);
    // The unifier knows neither nested values nor nulls: then the values are appended, repeated or not.
    if (merged.IsNotImplemented()) merged = Append(incoming, type, state);
    return merged.ok() ? merged : merged.WithMessage("dictionary of ", path, ": ", merged.message());
  }
  static arrow::Status Unify(const std::shared_ptr<arrow::Array>& incoming, const arrow::DictionaryType& type, State* state) {
    if (incoming->null_count() > 0 || state->merged->null_count() > 0) return arrow::Status::NotImplemented("nulls");
    ARROW_ASSIGN_OR_RAISE(auto unifier, arrow::DictionaryUnifier::Make(type.value_type()));
    ARROW_RETURN_NOT_OK(unifier->Unify(*state->merged));
    ARROW_RETURN_NOT_OK(unifier->Unify(*incoming, &state->places));
    std::shared_ptr<arrow::Array> merged;
    ARROW_RETURN_NOT_OK(unifier->GetResultWithIndexType(type.index_type(), &merged));
    // A first dictionary with repeated values would have moved: append instead.
    if (!merged->RangeEquals(*state->merged, 0, state->merged->length(), 0))
      return arrow::Status::NotImplemented("repeated values");
    state->merged = std::move(merged);
    return arrow::Status::OK();
  }

  static arrow::Status Append(const std::shared_ptr<arrow::Array>& incoming, const arrow::DictionaryType& type, State* state) {
    const int64_t known = state->merged->length();
    const int bits = type.index_type()->bit_width() - arrow::is_signed_integer(type.index_type()->id());
    if (bits < 31 && known + incoming->length() > int64_t{1} << bits) {
      return arrow::Status::Invalid("more values than indices of type ", type.index_type()->ToString(), " can name");
    }
    ARROW_ASSIGN_OR_RAISE(state->merged, arrow::Concatenate({state->merged, incoming}));
    ARROW_ASSIGN_OR_RAISE(state->places, arrow::AllocateBuffer(incoming->length() * 4));
    auto* places = reinterpret_cast<int32_t*>(const_cast<uint8_t*>(state->places->data()));
    std::iota(places, places + incoming->length(), static_cast<int32_t>(known));
    return arrow::Status::OK();
  }

  std::map<std::string, State> states_;  // by the path of field numbers
};

class ArrowWriter : public RowWriter {
 public:
  ArrowWriter(bool file, std::shared_ptr<arrow::Schema> schema, std::shared_ptr<SinkStream> stream,
              std::shared_ptr<arrow::ipc::RecordBatchWriter> writer)
      : file_(file), schema_(std::move(schema)), stream_(std::move(stream)), writer_(std::move(writer)) {}

  Status Write(const arrow::RecordBatch& batch) override { return stream_->Explain(WriteBatch(batch)); }
  Status Finish() override { return stream_->Explain(writer_->Close()); }

 private:
  arrow::Status WriteBatch(const arrow::RecordBatch& batch) {
    if (!file_) return writer_->WriteRecordBatch(batch);  // streams may replace dictionaries
    std::vector<Data> columns;
    for (int i = 0; i < batch.num_columns(); ++i) {
      ARROW_ASSIGN_OR_RAISE(Data column, dictionaries_.Merge(batch.column_data(i), "column '" + schema_->field(i)->name() + "'"));
      columns.push_back(std::move(column));
    }
    return writer_->WriteRecordBatch(*arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns)));
  }

  const bool file_;
  const std::shared_ptr<arrow::Schema> schema_;
  const std::shared_ptr<SinkStream> stream_;
  const std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
  DictionaryMerger dictionaries_;
};

}  // namespace

Result<std::unique_ptr<RowWriter>> MakeArrowWriter(bool file, std::shared_ptr<arrow::Schema> schema, ByteSink sink) {
  auto stream = std::make_shared<SinkStream>(std::move(sink));
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  options.emit_dictionary_deltas = file;
  auto writer =
      file ? arrow::ipc::MakeFileWriter(stream, schema, options) : arrow::ipc::MakeStreamWriter(stream, schema, options);
  if (!writer.ok()) return stream->Explain(writer.status());
  return std::unique_ptr<RowWriter>(new ArrowWriter(file, std::move(schema), std::move(stream), writer.MoveValueUnsafe()));
}

}  // namespace lancefs
