# SPDX-License-Identifier: Apache-2.0
# Arrow C++ and Parquet: from find_package(Arrow) where installed, else from the pinned pyarrow wheel
# (its headers and shared libraries). Gives the target lancefs_arrow.
add_library(lancefs_arrow INTERFACE)

set(LANCEFS_ARROW_VERSION 26.0.1)
find_package(Arrow ${LANCEFS_ARROW_VERSION} QUIET)
find_package(Parquet QUIET)
find_package(ArrowCompute QUIET)
if(Arrow_FOUND AND Parquet_FOUND AND ArrowCompute_FOUND)
  target_link_libraries(lancefs_arrow INTERFACE Arrow::arrow_shared ArrowCompute::arrow_compute_shared Parquet::parquet_shared)
  message(STATUS "Arrow ${Arrow_VERSION} from ${Arrow_DIR}")
else()
  set(LANCEFS_PYTHON "${PROJECT_SOURCE_DIR}/.deps/venv/bin/python" CACHE FILEPATH "a Python that has pyarrow ${LANCEFS_ARROW_VERSION}")
  if(NOT LANCEFS_PYARROW_DIR)
    execute_process(COMMAND ${LANCEFS_PYTHON} -c "import importlib.metadata as m, importlib.util as u; assert m.version('pyarrow') == '${LANCEFS_ARROW_VERSION}', m.version('pyarrow'); print(u.find_spec('pyarrow').submodule_search_locations[0])"
                    OUTPUT_VARIABLE pyarrow_dir OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE pyarrow_result)
    if(NOT pyarrow_result EQUAL 0)
      message(FATAL_ERROR "neither Arrow C++ ${LANCEFS_ARROW_VERSION} nor a Python with pyarrow ${LANCEFS_ARROW_VERSION} was found; run ./quickstart, or set LANCEFS_PYTHON")
    endif()
    set(LANCEFS_PYARROW_DIR "${pyarrow_dir}" CACHE PATH "the pyarrow package's folder")
  endif()
  message(STATUS "Arrow ${LANCEFS_ARROW_VERSION} from ${LANCEFS_PYARROW_DIR}")
  target_include_directories(lancefs_arrow SYSTEM INTERFACE ${LANCEFS_PYARROW_DIR}/include)
  foreach(lib arrow arrow_compute parquet)
    target_link_libraries(lancefs_arrow INTERFACE ${LANCEFS_PYARROW_DIR}/lib${lib}.so.2600)
  endforeach()
endif()

# The precompiled Arrow headers that all engine targets share.
add_library(lancefs_arrow_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/arrow_pch.cc)
target_link_libraries(lancefs_arrow_pch PUBLIC lancefs_arrow)
target_precompile_headers(lancefs_arrow_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/arrow_pch.h)
function(lancefs_use_arrow_pch target)
  target_link_libraries(${target} PUBLIC lancefs_arrow)
  target_precompile_headers(${target} REUSE_FROM lancefs_arrow_pch)
  # The header was compiled with -fPIC; -fPIE, CMake's choice for programs, would make it unusable.
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
endfunction()
